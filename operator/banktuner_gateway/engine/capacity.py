"""How much an engine's model reads and writes, as the engine itself tells, which knows its model and its options."""

import json
from dataclasses import dataclass

PATHS = ("/v1/models", "/info")
"""vLLM's and TGI's; an engine's proxy has one of them."""


@dataclass(frozen=True)
class Capacity:
    """In tokens. `total`: of prompt and answer together; `prompt`: of that, for the prompt at most."""

    total: int
    prompt: int

    def beside(self, answer: int) -> int:
        """What a prompt may have when the answer may have this many."""
        return max(0, min(self.prompt, self.total - answer))


def parse_capacity(body: bytes) -> Capacity | None:
    """Of an answer to one of `PATHS`; None where it does not tell."""
    try:
        told = json.loads(body)
        if "data" in told:
            # vLLM's first is the base model; adapters, which are listed after it, have no length of their own.
            total = prompt = told["data"][0]["max_model_len"]
        else:
            total, prompt = told["max_total_tokens"], told["max_input_tokens"]
    except (ValueError, RecursionError, TypeError, LookupError):
        return None
    return Capacity(total, prompt) if isinstance(total, int) and isinstance(prompt, int) else None
