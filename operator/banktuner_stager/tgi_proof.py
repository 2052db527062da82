"""Proves adapters at TGI, which answers an unknown adapter from the base model without an error.

The proof is a difference: with the adapter, the next token's log probabilities must differ from the base
model's by far more than two answers of the base model itself do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from huggingface_hub import InferenceClient, TextGenerationOutput
from huggingface_hub.errors import HfHubHTTPError, HTTPError, InferenceTimeoutError  # type: ignore[attr-defined]

from banktuner_stager.engine import PROOF_PROMPT, PROOF_SECONDS, EngineBusyError, EngineDownError, EngineError

TOP_TOKENS = 5
LEAST_DIFFERENCE = 1e-3
"""Of a log probability: below this it is rounding."""
NOISE_FACTOR = 10.0
HEALTH_SECONDS = 5.0

Answer = Mapping[int, float]
"""The most probable next tokens: token id -> log probability."""


class NotAppliedError(EngineError):
    """TGI answered from the base model."""

    reason = "AdapterNotApplied"


def distance(one: Answer, other: Answer) -> float:
    """The largest difference of a token's log probability; infinite where no token is in both."""
    return max((abs(one[token] - other[token]) for token in one.keys() & other.keys()), default=float("inf"))


def is_applied(base: Answer, again: Answer, adapted: Answer) -> bool:
    """Whether `adapted` differs from the base model's answer by more than the base model's own noise explains."""
    return distance(base, adapted) > max(LEAST_DIFFERENCE, NOISE_FACTOR * distance(base, again))


class TgiEngine:
    """TGI's own API through huggingface_hub's client. Adapters are loaded at its start, by the folders on disk."""

    static = True

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._client = InferenceClient(base_url=self._url, timeout=PROOF_SECONDS)

    def loaded(self, on_disk: frozenset[str]) -> frozenset[str]:
        """What was on disk when TGI started, as soon as it is healthy. TGI has no list to ask."""
        try:
            with urlopen(f"{self._url}/health", timeout=HEALTH_SECONDS):
                return on_disk
        except TimeoutError as error:
            raise EngineBusyError("/health: no answer in time") from error
        except OSError as error:
            raise EngineDownError(f"/health: {type(error).__name__}") from error

    def load(self, served_name: str, path: Path) -> None:
        """Never possible at TGI: a changed set of adapters is a new pod."""
        raise EngineError(f"{served_name} at {path.name}: TGI loads adapters at its start only")

    def unload(self, served_name: str) -> None:
        """Never possible at TGI: a changed set of adapters is a new pod."""
        raise EngineError(f"{served_name}: TGI loads adapters at its start only")

    def prove(self, served_name: str) -> None:
        """See that the adapter changes the answer. Raises NotAppliedError, EngineError."""
        base, again = self._ask(None), self._ask(None)
        if not is_applied(base, again, self._ask(served_name)):
            raise NotAppliedError(f"{served_name} answers like the base model: TGI does not apply it")

    def _ask(self, adapter: str | None) -> Answer:
        try:
            answer = self._client.text_generation(
                PROOF_PROMPT,
                adapter_id=adapter,
                details=True,
                do_sample=False,
                max_new_tokens=1,
                top_n_tokens=TOP_TOKENS,
            )
        except InferenceTimeoutError as error:
            raise EngineBusyError("/generate: no answer in time") from error
        except HfHubHTTPError as error:
            raise EngineError(f"/generate: status {error.response.status_code}") from error
        except HTTPError as error:
            raise EngineDownError(f"/generate: {type(error).__name__}") from error
        return _top_tokens(answer)


def _top_tokens(answer: object) -> Answer:
    details = answer.details if isinstance(answer, TextGenerationOutput) else None
    if details is None or not details.top_tokens:
        raise EngineError("/generate: the answer has no top tokens")
    first: list[Any] = list(details.top_tokens[0])  # the client leaves these as plain mappings
    return {int(token["id"]): float(token["logprob"]) for token in first}
