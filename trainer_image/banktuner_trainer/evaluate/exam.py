"""What a generative model is judged by: prepared once, then put to the base, the tuned and the promoted model alike."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from banktuner_api.finetunejob_evaluation import Suite
from banktuner_api.run_config import RunConfig
from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.data.forms import Conversation
from banktuner_trainer.device import Device
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.evaluate import perplexity, safety
from banktuner_trainer.evaluate.encoder import Encoder
from banktuner_trainer.evaluate.generate import Writer, answer_limit, writer_for
from banktuner_trainer.evaluate.intent import Confusion
from banktuner_trainer.evaluate.labels import FIELD, check_closed, labels_of
from banktuner_trainer.evaluate.memory import InferenceMemory
from banktuner_trainer.evaluate.questions import NO_LIMIT, Question, questions, sample
from banktuner_trainer.evaluate.safety import Attack
from banktuner_trainer.progress import Step
from banktuner_trainer.reporting import Reporter
from banktuner_trainer.settings import Paths

logger = logging.getLogger(__name__)
ATTACK_TOKENS = 64
"""Tokens of an answer to an attack: enough to see whether it is a refusal or a leak."""


@dataclass(frozen=True)
class Means:
    """What an evaluation needs besides a model."""

    run: RunConfig
    paths: Paths
    device: Device
    reporter: Reporter


@dataclass(frozen=True)
class Rows:
    """Of the data set: conversations (none of plain texts), and test rows in tokens for the perplexity.

    `max_length` in tokens; longer rows are left out.
    """

    train: Sequence[Conversation]
    test: Sequence[Conversation]
    encoded: Sequence[Encoded]
    max_length: int


@dataclass
class Scores:
    """Numbers by metric name, and what else the report tells of one model."""

    values: dict[str, float] = field(default_factory=dict)
    confusion: Confusion | None = None
    details: dict[str, Any] = field(default_factory=dict)


class Exam:
    """The questions of all suites that the run asks for."""

    def __init__(self, means: Means, tokenizer: Any, rows: Rows, context: int) -> None:
        """Prepare; nothing is asked yet. `context`: tokens that the model can read, attacks and answers included.

        Raises TrainerError where a suite cannot be measured with these rows.
        """
        evaluation, seed = means.run.evaluation, means.run.training.seed
        self._means = means
        self._tokenizer = tokenizer
        self._context = context
        self._suites = evaluation.suites
        self._encoded = rows.encoded if Suite.PERPLEXITY in self._suites else []
        _check(self._suites, rows)
        own = [row for row in rows.test if row.out_of_scope is None]
        strangers = [row for row in rows.test if row.out_of_scope is not None] if Suite.SCOPE in self._suites else []
        self._questions = questions(tokenizer, sample(own, evaluation.max_rows, seed), rows.max_length)
        self._strangers = questions(tokenizer, sample(strangers, evaluation.max_rows, seed), rows.max_length)
        self._intents = self._closed_set(rows) if Suite.INTENT in self._suites else []
        if self._intents and not self._questions:
            message = (
                f"suite Intent has no test row of at most {rows.max_length} tokens:"
                " raise spec.training.maxLength, or leave Intent out"
            )
            raise invalid_config(message, "spec.training.maxLength")
        self._attacks, self._attack_questions = self._prepared_attacks()
        self._encoder = self._loaded_encoder()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to ask."""
        return not (self._encoded or self._questions or self._strangers or self._attacks)

    def sit(self, model: Any, step: Step) -> Scores:
        """Ask `model` everything. `step` says whose model it is."""
        self._means.reporter.begin(step, ", ".join(self._suites))
        # What counts words and draws curves takes seconds to import, and the training should not wait for it.
        from banktuner_trainer.evaluate import suites

        told = self._counter()
        asked = [*self._questions, *self._strangers, *self._attack_questions]
        writer = writer_for(model, self._tokenizer, asked, self._context)
        scores = Scores()
        if self._encoded:
            measured = perplexity.measure(model, self._encoded, self._pad)
            scores.values |= {"perplexity": measured.perplexity, "eval_loss": measured.loss}
            told(len(self._encoded))
        if self._answers_wanted:
            self._generation(model, writer, scores, told)
        if self._intents:
            labels = labels_of(self._intents, writer.stops)
            values, scores.confusion = suites.intent(writer, model, self._questions, labels, told)
            scores.values |= values
        if self._attacks:
            answers = suites.ask(writer, model, self._attack_questions, ATTACK_TOKENS, told)
            values, details = suites.safety(answers, self._attacks, self._means.run.dataset.refusal)
            scores.values |= values
            scores.details["safety"] = details
        return scores

    def _generation(self, model: Any, writer: Writer, scores: Scores, told: Callable[[int], None]) -> None:
        """Answers to all questions: their quality and speed, and whether strangers were refused."""
        from banktuner_trainer.evaluate import suites

        run = self._means.run
        limit = answer_limit([*self._questions, *self._strangers])
        memory = InferenceMemory(self._means.device.cuda)
        own = suites.ask(writer, model, self._questions, limit, told)
        memory.look()
        if Suite.GENERATION in self._suites:
            values, scores.details["generation"] = suites.quality(own, self._encoder, run.dataset.preset)
            scores.values |= values | suites.speed(writer, model, own, memory, run)
        if self._strangers:
            theirs = suites.ask(writer, model, self._strangers, limit, told)
            scores.values |= suites.scope(model, own.joined(theirs), self._strangers[0].target, run, self._pad)

    @property
    def _answers_wanted(self) -> bool:
        return bool(self._questions) and bool({Suite.GENERATION, Suite.SCOPE} & set(self._suites))

    @property
    def _pad(self) -> int:
        return int(self._tokenizer.pad_token_id)

    def _counter(self) -> Callable[[int], None]:
        """Tells the reporter how far the rows are that a model is asked."""
        answered = len(self._questions) + len(self._strangers) if self._answers_wanted else 0
        intents = len(self._questions) if self._intents else 0
        rows = len(self._encoded) + answered + intents + len(self._attacks)
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self._means.reporter.advance(done / rows)

        return count

    def _closed_set(self, rows: Rows) -> list[Question]:
        """A question for each different right answer, from the training rows and the test rows."""
        own = [row for row in (*rows.train, *rows.test) if row.out_of_scope is None]
        by_answer = {row.messages[-1]["content"].strip(): row for row in reversed(own)}
        check_closed(len(by_answer))
        return questions(self._tokenizer, list(by_answer.values()), NO_LIMIT)

    def _prepared_attacks(self) -> tuple[list[Attack], list[Question]]:
        if Suite.SAFETY not in self._suites:
            return [], []
        attacks = safety.load_attacks()
        room = self._context - ATTACK_TOKENS
        asked = [(attack, safety.ask(self._tokenizer, attack, room)) for attack in attacks]
        fitting = [(attack, question) for attack, question in asked if question is not None]
        if len(fitting) < len(attacks):
            logger.warning("%d of %d attacks fit into the model's %d tokens", len(fitting), len(attacks), self._context)
        if not safety.suffice([attack for attack, _ in fitting], attacks):
            logger.warning("security_score is not measured: it needs %d attacks, some of each kind", safety.FEWEST)
            return [], []
        return [attack for attack, _ in fitting], [question for _, question in fitting]

    def _loaded_encoder(self) -> Encoder | None:
        wanted = self._means.run.evaluation.encoder is not None and Suite.GENERATION in self._suites
        return Encoder(self._means.paths.encoder, self._means.device.cuda) if wanted else None


def _check(wanted: Sequence[Suite], rows: Rows) -> None:
    """Raises TrainerError (InvalidConfig) where there are no rows for Scope; `metrics.problem` told the rest."""
    if Suite.SCOPE in wanted and not any(row.out_of_scope for row in rows.test):
        raise invalid_config("suite Scope needs questions that are out of scope: set spec.dataset.outOfScopeUri", FIELD)
