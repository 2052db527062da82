"""Writes a trained model, or its adapter, and the tokenizer into the artifact's folder."""

import json
import shutil
from pathlib import Path
from typing import Any

from banktuner_api.manifest import ALLOWED_SUFFIXES, sha256_digest
from banktuner_trainer.export import legacy
from banktuner_trainer.methods.base import TuningMethod

ADAPTER_CONFIG = "adapter_config.json"


def export(method: TuningMethod, model: Any, tokenizer: Any, folder: Path, base: str | None) -> str | None:
    """Write the files as `method` saves them; whatever lies in the folder from before is removed.

    `base`: what an adapter belongs to (its URI); None for whole models. Returns the digest of the chat template,
    None without one. Raises OSError.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    method.save(model, folder)
    tokenizer.save_pretrained(folder)
    if base is not None:
        _name_base(folder, base)
    legacy.make_readable(folder, tokenizer.chat_template)
    _remove_other_kinds(folder)
    return sha256_digest(tokenizer.chat_template.encode()) if tokenizer.chat_template else None


def _name_base(folder: Path, base: str) -> None:
    """peft writes where the base lay in this pod, which means nothing to anybody else."""
    path = folder / ADAPTER_CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _remove_other_kinds(folder: Path) -> None:
    """Model cards and templates that libraries add are no part of an artifact."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in ALLOWED_SUFFIXES:
            path.unlink()
