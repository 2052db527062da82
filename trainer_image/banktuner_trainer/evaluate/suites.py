"""Each suite: asks a model, and turns its answers into numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from banktuner_api.common import Metric
from banktuner_api.finetunejob_data import Preset
from banktuner_api.run_config import RunConfig
from banktuner_trainer.evaluate import similarity, text
from banktuner_trainer.evaluate.cost import cost_per_1000_answers, node_hour
from banktuner_trainer.evaluate.encoder import Encoder
from banktuner_trainer.evaluate.entities import entity_f1
from banktuner_trainer.evaluate.generate import Answers, Writer
from banktuner_trainer.evaluate.intent import Confusion, confusion, intent_metrics
from banktuner_trainer.evaluate.labels import Label, choose
from banktuner_trainer.evaluate.memory import InferenceMemory
from banktuner_trainer.evaluate.perplexity import mean_log_likelihoods
from banktuner_trainer.evaluate.questions import Question, answered
from banktuner_trainer.evaluate.refusals import is_refusal
from banktuner_trainer.evaluate.safety import Attack, security_score
from banktuner_trainer.evaluate.scope import Judged, scope_metrics

Values = dict[str, float]
Told = Callable[[int], None]
LONE_ANSWERS, LONE_TOKENS = 4, 32
"""How many answers are made one at a time, and how long, to see what one customer waits for a token."""


@dataclass(frozen=True)
class Asked:
    """Questions and a model's answers to them."""

    questions: Sequence[Question]
    answers: Sequence[str]
    made: Answers

    @property
    def references(self) -> list[str]:
        """The right answers."""
        return [question.reference for question in self.questions]

    def joined(self, other: "Asked") -> "Asked":
        """Both, one after the other."""
        made = Answers(
            self.made.ids + other.made.ids, self.made.tokens + other.made.tokens, self.made.seconds + other.made.seconds
        )
        return Asked([*self.questions, *other.questions], [*self.answers, *other.answers], made)


def ask(writer: Writer, model: Any, questions: Sequence[Question], limit: int, told: Told) -> Asked:
    """Greedy answers to `questions`."""
    made = writer.answer(model, [question.prompt for question in questions], limit, told=told)
    return Asked(questions, [writer.text(ids) for ids in made.ids], made)


def quality(asked: Asked, encoder: Encoder | None, preset: Preset | None) -> tuple[Values, dict[str, Any]]:
    """How good the answers are; by their meaning too where there is an encoder. Beside it, what the report tells."""
    truth, said = asked.references, asked.answers
    scored = text.bleu(truth, said)
    rouge = text.rouge(truth, said)
    values = {
        "exact_match": text.exact_match(truth, said),
        "bleu": scored.score,
        "rouge_1": rouge["rouge1"],
        "rouge_2": rouge["rouge2"],
        "rouge_l": rouge["rougeL"],
        "token_f1": text.token_f1(truth, said),
    }
    if preset is Preset.SQL_GENERATION:
        values["sql_match"] = text.sql_match(truth, said)
    found = entity_f1(truth, said)
    if found is not None:
        values["entity_f1"] = found
    details: dict[str, Any] = {"bleuSignature": scored.signature, "answers": len(said)}
    if encoder is not None:
        values |= _meaning(asked, encoder)
        details["bertscoreLayer"] = encoder.layer
    return values, details


def _meaning(asked: Asked, encoder: Encoder) -> Values:
    truth, said = asked.references, asked.answers
    questions, references, answers = (
        encoder.sentences(texts) for texts in ([question.text for question in asked.questions], truth, said)
    )
    return {
        "semantic_similarity": float(similarity.cosines(references, answers).mean()),
        "bertscore_f1": similarity.mean_bertscore(encoder.tokens(truth), encoder.tokens(said)),
        "response_relevance": similarity.relevance(questions, references, answers),
    }


def speed(writer: Writer, model: Any, asked: Asked, memory: InferenceMemory, run: RunConfig) -> Values:
    """How fast the answers came, what memory they took, and what a thousand of them cost."""
    made = asked.made
    lone = [question.prompt for question in asked.questions[:LONE_ANSWERS]]
    one_by_one = [writer.answer(model, [prompt], LONE_TOKENS) for prompt in lone]
    memory.look()
    tokens = sum(answer.tokens for answer in one_by_one)
    values = {
        "latency_ms_per_token": 1000 * sum(answer.seconds for answer in one_by_one) / max(1, tokens),
        "tokens_per_second": made.tokens / made.seconds,
        "inference_memory_bytes": float(memory.peak_bytes),
    }
    if node_hour(run.prices, run.limits):
        cost = cost_per_1000_answers(run.prices, run.limits, len(asked.answers), made.seconds)
        values["cost_per_1000_answers"] = cost
    return values


def intent(
    writer: Writer, model: Any, questions: Sequence[Question], labels: Sequence[Label], told: Told
) -> tuple[Values, Confusion]:
    """Which of the closed set of answers the model gives."""
    truth = [question.reference.strip() for question in questions]
    predicted = choose(writer, model, [question.prompt for question in questions], labels, told)
    return values_of(intent_metrics(truth, predicted)), confusion(truth, predicted)


def scope(model: Any, asked: Asked, refusal_ids: Sequence[int], run: RunConfig, pad: int) -> Values:
    """Are strangers' questions refused, and no others?

    The score of a question is the mean log-likelihood of a token of the job's refusal as its answer.
    """
    refused = [is_refusal(answer, run.dataset.refusal) for answer in asked.answers]
    scores = mean_log_likelihoods(model, [answered(question, refusal_ids) for question in asked.questions], pad)
    judged = [
        Judged(question.out_of_scope, score, rejected)
        for question, score, rejected in zip(asked.questions, scores, refused, strict=True)
    ]
    return values_of(scope_metrics(judged))


def safety(asked: Asked, attacks: Sequence[Attack], refusal: str) -> tuple[Values, dict[str, Any]]:
    """How many of the attacks failed."""
    withstood = [attack.withstood(answer, refusal) for attack, answer in zip(attacks, asked.answers, strict=True)]
    score, shares = security_score(attacks, withstood)
    succeeded = [attack.id for attack, held in zip(attacks, withstood, strict=True) if not held]
    return {"security_score": score}, {"withstoodByCategory": shares, "attacks": len(attacks), "succeeded": succeeded}


def values_of(metrics: Sequence[Metric]) -> Values:
    """Numbers by name."""
    return {one.name: float(one.value) for one in metrics}
