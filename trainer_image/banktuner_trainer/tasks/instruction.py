"""Instruction: the model learns to answer; loss on the assistant's words only."""

from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_status import ServedAs
from banktuner_trainer.data.encode import encode_conversations
from banktuner_trainer.data.load import Split, load_conversations
from banktuner_trainer.evaluate.exam import Rows
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import context_length, ensure_chat_template, load_causal, load_tokenizer
from banktuner_trainer.tasks.base import Context, Outcome
from banktuner_trainer.tasks.judged import exam_of, tune

SERVED_AS = {
    Method.LORA: ServedAs.ADAPTER,
    Method.QLORA: ServedAs.ADAPTER,
    Method.IA3: ServedAs.MERGED,
    Method.FULL: ServedAs.MERGED,
    Method.PREFIX_TUNING: ServedAs.NOT_SERVABLE,
    Method.ADAPTER: ServedAs.NOT_SERVABLE,
}


def run(context: Context) -> Outcome:
    """Tune the staged model. Raises TrainerError."""
    rows = load_conversations(context.run, context.staged)
    tokenizer = load_tokenizer(context.paths.model)
    ensure_chat_template(tokenizer)
    base = load_causal(context.paths.model, context.run, context.device, len(tokenizer))
    length = context_length(base, context.run.training.max_length)
    encoded = Split(*(encode_conversations(tokenizer, part, length) for part in (rows.train, rows.test)))
    own = [row for row in rows.test if row.out_of_scope is None]
    asked = Rows(rows.train, rows.test, encode_conversations(tokenizer, own, length), length)
    exam = exam_of(context, tokenizer, asked)
    method = METHODS[context.run.method]
    model = method.wrap(base, context.run, "CAUSAL_LM")
    judged = tune(context, exam, model, tokenizer, encoded)
    return Outcome(model, tokenizer, SERVED_AS[context.run.method], judged.metrics, judged.confusion, judged.details)
