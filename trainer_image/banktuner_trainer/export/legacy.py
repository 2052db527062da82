"""Makes a folder that transformers 5 wrote readable for transformers 4.51 (TGI 3.3) as well, and for vLLM.

Only names are added or changed back; transformers 5 reads the result as before.
"""

import json
from pathlib import Path
from typing import Any

TOKENIZER_CONFIG = "tokenizer_config.json"
MODEL_CONFIG = "config.json"
TOKENIZER_CLASS = "PreTrainedTokenizerFast"
_Config = dict[str, Any]


def make_readable(folder: Path, chat_template: str | None) -> None:
    """Rewrite tokenizer_config.json and config.json, where they are. `chat_template` moves into the former."""
    _rewrite(folder / TOKENIZER_CONFIG, lambda config: legacy_tokenizer(config, chat_template))
    _rewrite(folder / MODEL_CONFIG, legacy_model)


def legacy_tokenizer(config: _Config, chat_template: str | None) -> _Config:
    """transformers 4 knows neither the class TokenizersBackend nor a list of extra special tokens."""
    changed = {key: value for key, value in config.items() if key != "backend"}
    changed["tokenizer_class"] = TOKENIZER_CLASS
    extra = changed.pop("extra_special_tokens", None)
    if isinstance(extra, dict):
        changed["extra_special_tokens"] = extra
    elif extra:
        changed["additional_special_tokens"] = extra
    if chat_template is not None:
        changed["chat_template"] = chat_template
    return changed


def legacy_model(config: _Config) -> _Config:
    """Adds rope_theta, rope_scaling and so on beside rope_parameters, and torch_dtype beside dtype, where these are."""
    changed = dict(config)
    if "dtype" in config:
        changed["torch_dtype"] = config["dtype"]
    rope = config.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:
        changed["rope_theta"] = rope["rope_theta"]
        if rope.get("rope_type", "default") != "default":
            changed["rope_scaling"] = _legacy_scaling(rope)
        if rope.get("partial_rotary_factor", 1.0) != 1.0:
            changed["partial_rotary_factor"] = rope["partial_rotary_factor"]
    return changed


def _legacy_scaling(rope: _Config) -> _Config:
    """transformers 4 takes exactly three keys of Phi-3's scaling."""
    if rope["rope_type"] == "longrope":
        return {"type": "longrope", "short_factor": rope["short_factor"], "long_factor": rope["long_factor"]}
    return {key: value for key, value in rope.items() if key not in ("rope_theta", "partial_rotary_factor")}


def _rewrite(path: Path, change: Any) -> None:
    if path.exists():
        config = change(json.loads(path.read_text(encoding="utf-8")))
        path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
