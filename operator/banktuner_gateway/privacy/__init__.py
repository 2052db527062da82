"""Personal data: found, masked before anything else reads a question, put back in the answer, masked in streams."""

from banktuner_gateway.privacy.masker import Masker
from banktuner_gateway.privacy.streams import StreamMasker, StreamRestorer
from banktuner_gateway.privacy.vault import Vault

__all__ = ["Masker", "StreamMasker", "StreamRestorer", "Vault"]
