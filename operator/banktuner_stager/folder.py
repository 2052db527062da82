"""Decides from a listing which files of a model folder are taken and which refuse it. Pure."""

import json
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

from banktuner_api.manifest import ALLOWED_SUFFIXES, COMMITTED, MANIFEST, UNSAFE_SUFFIXES
from banktuner_stager.errors import disk_full, invalid_data, invalid_model, unsafe_file
from banktuner_stager.store import Entry

MAX_FILES = 1000
MAX_BYTES = 2 * 1024**4
MAX_CONFIG_BYTES = 4 * 1024**2
"""A configuration file larger than this is no configuration."""
CODE_CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "generation_config.json")
"""Files whose `auto_map` tells transformers to import Python code."""
DATA_SUFFIXES = (".csv", ".jsonl", ".json", ".parquet")
ADAPTER_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model"})
TEMPLATE_FILE = "chat_template.jinja"
"""Where transformers 5 keeps a chat template."""
RESERVED = frozenset({MANIFEST, COMMITTED})
BESIDE_ROOT = frozenset({"merged", "gguf", "onnx", "report", "adapter"})
"""Folders of an artifact that hold other forms of it: its root is what is served, trained on and compared with."""
_SHOWN = 5


def model_files(entries: Sequence[Entry], uri: str, field: str) -> list[Entry]:
    """The files of a model folder to download.

    Raises StagerError naming `field`: UNSAFE_FILE where any file can carry code, INVALID_MODEL where it is no
    transformers model in safetensors.
    """
    refuse_unsafe((entry.path for entry in entries), uri, field)
    taken = [entry for entry in entries if _wanted(entry.path)]
    paths = {entry.path for entry in taken}
    if "config.json" not in paths:
        raise invalid_model(f"{field}: {uri} has no config.json{_adapter_hint(paths)}", field)
    if not any(path.endswith(".safetensors") for path in paths):
        raise invalid_model(f"{field}: {uri} has no .safetensors file: save the model as safetensors", field)
    check_bounds(taken, uri, field)
    return taken


def refuse_unsafe(paths: Iterable[str], uri: str, field: str) -> None:
    """Raise UNSAFE_FILE naming the files that can carry code."""
    unsafe = sorted(path for path in paths if PurePosixPath(path).suffix.lower() in UNSAFE_SUFFIXES)
    if unsafe:
        named = ", ".join(unsafe[:_SHOWN]) + (f" and {len(unsafe) - _SHOWN} more" if len(unsafe) > _SHOWN else "")
        raise unsafe_file(
            f"{field}: {uri} has files that can carry code: {named}."
            " Remove them; weights must be .safetensors (save_pretrained writes that)",
            field,
        )


def check_bounds(entries: Sequence[Entry], uri: str, field: str) -> None:
    """Raise INVALID_MODEL where there are too many files or bytes."""
    total = sum(entry.size for entry in entries)
    if len(entries) > MAX_FILES or total > MAX_BYTES:
        raise invalid_model(
            f"{field}: {uri} has {len(entries)} files of {total} bytes; at most {MAX_FILES} files"
            f" and {MAX_BYTES} bytes are taken",
            field,
        )


def check_room(needed: int, free: int, what: str) -> None:
    """Raise DISK_FULL where `needed` bytes do not fit into `free`."""
    if needed > free:
        raise disk_full(f"{what} needs {needed} bytes and the pod's volume has {free}")


def check_config_size(entry: Entry, uri: str, field: str) -> None:
    """Raise INVALID_MODEL where a configuration file is too large to be one."""
    if entry.size > MAX_CONFIG_BYTES:
        raise invalid_model(f"{field}: {uri}/{entry.path} has {entry.size} bytes: that is no configuration", field)


def refuse_remote_code(name: str, content: bytes, uri: str, field: str) -> None:
    """Raise UNSAFE_FILE where a configuration asks for Python code of its own, INVALID_MODEL where it is no JSON."""
    config = json_object(name, content, uri, field)
    if config.get("auto_map"):
        raise unsafe_file(
            f"{field}: {uri}/{name} has auto_map: the model asks for Python code of its own, which is never run;"
            " take a model of an architecture that transformers knows",
            field,
        )


def json_object(name: str, content: bytes, uri: str, field: str) -> dict[str, Any]:
    """A JSON object from a configuration file. Raises INVALID_MODEL."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid_model(f"{field}: {uri}/{name} is not a JSON object", field)
    return value


def data_suffix(uri: str, field: str) -> str:
    """The suffix that tells the kind of a data file. Raises INVALID_DATA."""
    suffix = PurePosixPath(uri).suffix.lower()
    if uri.endswith("/") or suffix not in DATA_SUFFIXES:
        raise invalid_data(f"{field}: {uri} must be one file that ends in {', '.join(DATA_SUFFIXES)}", field)
    return suffix


def in_root(path: str) -> bool:
    """Whether a file of an artifact is part of what its root is: not of another form, not of the report."""
    return PurePosixPath(path).parts[0] not in BESIDE_ROOT


def _wanted(path: str) -> bool:
    parts = PurePosixPath(path)
    hidden = any(part.startswith(".") for part in parts.parts)
    taken = not hidden and path not in RESERVED and in_root(path)
    return taken and (parts.suffix.lower() in ALLOWED_SUFFIXES or path == TEMPLATE_FILE)


def _adapter_hint(paths: set[str]) -> str:
    if "adapter_config.json" in paths:
        return ": it holds an adapter; name its base model or a merged model here"
    return ": it is no transformers model folder"
