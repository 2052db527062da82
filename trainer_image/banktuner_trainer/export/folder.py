"""Writes the artifact's folder: what serves in its root, and beside it the forms that were asked for."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import AutoConfig

from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import ArtifactFormat, Task
from banktuner_api.manifest import ALLOWED_SUFFIXES, REPORT, sha256_digest
from banktuner_api.run_config import RunConfig
from banktuner_trainer.errors import invalid_model
from banktuner_trainer.export import legacy
from banktuner_trainer.export.merge import check_mergeable, write_merged
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import ensure_chat_template, load_tokenizer
from banktuner_trainer.settings import Paths

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER, MERGED, GGUF = "adapter", "merged", "gguf"
"""Folders of the artifact."""


def check_formats(run: RunConfig, model: Path) -> None:
    """Raises TrainerError (InvalidConfig), before anything is trained, where a form cannot be made of this model."""
    if run.model is None or not {ArtifactFormat.MERGED, ArtifactFormat.GGUF} & set(run.formats):
        return
    check_mergeable(run)
    if ArtifactFormat.GGUF in run.formats:
        from banktuner_trainer.export import gguf_files  # no other run starts later for it

        tokenizer = load_tokenizer(model)
        ensure_chat_template(tokenizer)
        gguf_files.check(_config(model), tokenizer)


def export(
    run: RunConfig, paths: Paths, model: Any, tokenizer: Any, told: Callable[[float], Any] = lambda _: None
) -> str | None:
    """Write the files; what lies in the folder from before is removed, but for the report.

    `told`: called with the share that is written, 0 to 1. Returns the digest of the chat template, None without one.
    Raises OSError, TrainerError.
    """
    output = paths.output
    _clear(output)
    method = METHODS[run.method]
    adapter = output / ADAPTER if serves_merged(run) else output
    method.save(model, adapter)
    if method.frozen_base and run.model is not None:
        _name_base(adapter, run.model.uri)
    if serves_merged(run):
        write_merged(method, model, paths.model, adapter, output)
    _readable(output, tokenizer)
    told(1 / 3)
    with _whole_model(run, paths, model, tokenizer, adapter) as whole:
        told(2 / 3)
        if ArtifactFormat.GGUF in run.formats:
            _write_gguf(run, whole, output, tokenizer)
    _remove_other_kinds(output)
    return sha256_digest(tokenizer.chat_template.encode()) if tokenizer.chat_template else None


def _config(model: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise invalid_model(f"its config.json cannot be read ({type(error).__name__})") from error


def serves_merged(run: RunConfig) -> bool:
    """Whether the root is the merged model, because no engine serves such adapters."""
    return run.method is Method.IA3 and run.task is Task.INSTRUCTION


@contextmanager
def _whole_model(run: RunConfig, paths: Paths, model: Any, tokenizer: Any, adapter: Path) -> Iterator[Path]:
    """Folder of the whole tuned model, where a format needs it: the root, `merged/`, or one that goes afterwards."""
    method, output = METHODS[run.method], paths.output
    wanted = {ArtifactFormat.MERGED, ArtifactFormat.GGUF} & set(run.formats)
    if not wanted or not method.frozen_base or serves_merged(run):
        yield output
        return
    paths.scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=paths.scratch) as passing:
        folder = output / MERGED if ArtifactFormat.MERGED in wanted else Path(passing)
        write_merged(method, model, paths.model, adapter, folder)
        _readable(folder, tokenizer)
        yield folder


def _write_gguf(run: RunConfig, whole: Path, output: Path, tokenizer: Any) -> None:
    from banktuner_trainer.export import gguf_files
    from banktuner_trainer.export.ollama import modelfile

    folder = output / GGUF
    folder.mkdir()
    gguf_files.write_model(whole, tokenizer, folder / "model.gguf")
    if run.method in (Method.LORA, Method.QLORA):
        gguf_files.write_adapter(output, _config(whole), folder / "adapter.gguf")
    (folder / "Modelfile.txt").write_text(modelfile(tokenizer), encoding="utf-8")


def _readable(folder: Path, tokenizer: Any) -> None:
    """The tokenizer beside a model, both as every engine reads them."""
    tokenizer.save_pretrained(folder)
    legacy.make_readable(folder, tokenizer.chat_template)


def _clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and path.name != REPORT:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


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
