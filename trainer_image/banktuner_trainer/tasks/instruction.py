"""Instruction: the model learns to answer; loss on the assistant's words only."""

from typing import Any

from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_status import ServedAs
from banktuner_trainer.data.encode import encode_conversations
from banktuner_trainer.data.load import Split, load_conversations
from banktuner_trainer.evaluate.exam import Rows
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import context_length, ensure_chat_template, load_causal, load_tokenizer
from banktuner_trainer.progress import Step
from banktuner_trainer.tasks.base import Context, Outcome
from banktuner_trainer.tasks.judged import exam_of, promoted_scores, tune

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
    own = [row for row in rows.test if row.out_of_scope is None]
    strangers = [row for row in rows.test if row.out_of_scope is not None]

    def asked(tokenizer: Any, length: int) -> Rows:
        """Perplexity is that of the bank's own questions: every out-of-scope row has the same answer."""
        return Rows(rows.train, rows.test, encode_conversations(tokenizer, own, length), length)

    promoted = promoted_scores(context, asked)
    tokenizer = load_tokenizer(context.paths.model)
    ensure_chat_template(tokenizer)
    base = load_causal(context.paths.model, context.run, context.device, len(tokenizer))
    length = context_length(base, context.run)
    context.reporter.begin(Step.TOKENISE, f"{len(rows.train)} rows")
    train = encode_conversations(tokenizer, rows.train, length, told=context.reporter.advance)
    questions = asked(tokenizer, length)
    test = [*questions.encoded, *encode_conversations(tokenizer, strangers, length)]
    exam = exam_of(context, tokenizer, questions, base)
    model = METHODS[context.run.method].wrap(base, context.run, "CAUSAL_LM")
    judged = tune(context, exam, model, tokenizer, Split(train, test, quality=rows.quality), promoted)
    served_as = SERVED_AS[context.run.method]
    return Outcome(model, tokenizer, served_as, judged.metrics, judged.confusion, judged.details)
