"""Command line: `python -m banktuner_gateway.retrieval index --config retrieval.json`."""

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from banktuner_api import handshake, names
from banktuner_api.exit_codes import ExitCode
from banktuner_api.serving import RetrievalConfig
from banktuner_gateway.retrieval.config import load_config
from banktuner_gateway.retrieval.encoder import SentenceEncoder, bring_encoder
from banktuner_gateway.retrieval.errors import RetrievalError
from banktuner_gateway.retrieval.indexing import Indexer
from banktuner_gateway.retrieval.objects import open_folder
from banktuner_gateway.retrieval.stores import open_vector_store

logger = logging.getLogger("banktuner.retrieval")

CONFIG = names.CONFIG_DIR / "retrieval.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code of `banktuner_api.exit_codes`; a failure also leaves the termination message."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        index(load_config(options.config), os.environ, options.work_dir)
    except Exception as error:
        failure, code = _describe(error)
        # The frames only: the text of an unexpected error may hold a document's.
        frames = "".join(traceback.format_tb(error.__traceback__)) if code is ExitCode.INTERNAL else ""
        logger.error("%s: %s %s", failure.reason, failure.message, frames)
        options.termination_log.write_text(handshake.termination_message(failure), encoding="utf-8")
        return int(code)
    return int(ExitCode.OK)


def index(config: RetrievalConfig, environment: Mapping[str, str], work: Path) -> None:
    """One run of the Job. Raises RetrievalError, OSError."""
    documents = open_folder(config.documents, "knowledge.documents", environment)
    folder = open_folder(config.index, "knowledge.documents", environment)
    bring_encoder(open_folder(config.embedding, "knowledge.embedding", environment), work)
    encoder = SentenceEncoder(work, threads=len(os.sched_getaffinity(0)))
    store = open_vector_store(config, folder, environment)
    settings = config.vector_store
    name = f"{settings.type} {settings.url or ''} {settings.collection}"
    try:
        Indexer(documents, folder, store, name, encoder).run()
    finally:
        store.close()


def _describe(error: Exception) -> tuple[handshake.Failure, ExitCode]:
    if isinstance(error, RetrievalError):
        return error.failure(), error.exit_code
    return handshake.Failure(reason="Internal", message=f"unexpected {type(error).__name__}"), ExitCode.INTERNAL


def _interrupted(*_: object) -> NoReturn:
    raise SystemExit(int(ExitCode.INTERRUPTED))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="banktuner_gateway.retrieval", description=__doc__)
    parser.add_argument("command", choices=["index"], help="bring the index up to date with the documents")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--work-dir", type=Path, default=names.WORK_DIR / "encoder", help="room for the encoder")
    parser.add_argument("--termination-log", type=Path, default=names.TERMINATION_LOG)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
