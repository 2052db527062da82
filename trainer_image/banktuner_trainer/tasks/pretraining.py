"""Pretraining: a new model and its tokenizer from the data alone; loss on every token."""

from collections.abc import Sequence
from typing import Any

from banktuner_api.finetunejob_data import Architecture, Format
from banktuner_api.finetunejob_status import ServedAs
from banktuner_trainer.data.encode import Encoded, Told, encode_conversations, encode_documents
from banktuner_trainer.data.forms import Conversation, Document
from banktuner_trainer.data.load import Split, load_conversations, load_documents
from banktuner_trainer.evaluate.exam import Rows
from banktuner_trainer.models import context_length, ensure_chat_template
from banktuner_trainer.progress import Step
from banktuner_trainer.scratch_model import new_model, train_tokenizer
from banktuner_trainer.tasks.base import Context, Outcome
from banktuner_trainer.tasks.judged import exam_of, promoted_scores, tune
from banktuner_trainer.templates import ALPACA_FRAME


def run(context: Context) -> Outcome:
    """Train tokenizer and model from scratch. Raises TrainerError."""
    run_config = context.run
    architecture = run_config.architecture or Architecture()
    texts = run_config.dataset.format is Format.TEXT
    rows: Split[Any] = (load_documents if texts else load_conversations)(run_config, context.staged)
    promoted = promoted_scores(context, lambda own, most: _asked(rows, _encode(own, rows.test, most), most))
    tokenizer = train_tokenizer(_texts(rows.train), architecture)
    ensure_chat_template(tokenizer)
    model = new_model(architecture, tokenizer, run_config.training.seed)
    length = context_length(model, run_config)
    context.reporter.begin(Step.TOKENISE, f"{len(rows.train)} rows")
    train = _encode(tokenizer, rows.train, length, context.reporter.advance)
    test = _encode(tokenizer, rows.test, length)
    exam = exam_of(context, tokenizer, _asked(rows, test, length), model)
    judged = tune(context, exam, model, tokenizer, Split(train, test, quality=rows.quality), promoted)
    return Outcome(model, tokenizer, ServedAs.MERGED, judged.metrics, judged.confusion, judged.details)


def _asked(rows: Split[Any], test: list[Encoded], length: int) -> Rows:
    return Rows(_conversations(rows.train), _conversations(rows.test), test, length)


def _texts(rows: Sequence[Any]) -> list[str]:
    """What the tokenizer learns from: the words, and what the template puts around those of a conversation."""
    texts: list[str] = []
    for row in rows:
        if isinstance(row, Document):
            texts.append(row.text)
        else:
            texts.extend([ALPACA_FRAME, *(message["content"] for message in row.messages)])
    return texts


def _encode(tokenizer: Any, rows: Sequence[Any], length: int, told: Told = float) -> list[Encoded]:
    documents = [row for row in rows if isinstance(row, Document)]
    return encode_documents(tokenizer, documents, length, told) + encode_conversations(
        tokenizer, _conversations(rows), length, full_text=True, told=told
    )


def _conversations(rows: Sequence[Any]) -> list[Conversation]:
    return [row for row in rows if isinstance(row, Conversation)]
