"""Answers against references by their words: BLEU, ROUGE, exact match, token F1, SQL match."""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SQL_PARTS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[^\s'\"]+|\s+")


@dataclass(frozen=True)
class Bleu:
    """Corpus BLEU (Papineni et al. 2002), 0 to 100, with the signature that makes it comparable (Post 2018)."""

    score: float
    signature: str


def bleu(references: Sequence[str], answers: Sequence[str]) -> Bleu:
    """One reference an answer; sacrebleu's defaults: tokenizer 13a, case kept, exponential smoothing."""
    metric = BLEU()
    score = metric.corpus_score(list(answers), [list(references)]).score
    return Bleu(float(score), str(metric.get_signature()))


def rouge(references: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """Mean F1 of ROUGE-1, -2 and -L (Lin 2004) by type, 0 to 1: lower case, words of a-z and 0-9, no stemming."""
    scorer = RougeScorer(list(ROUGE_TYPES), use_stemmer=False)
    scores = [scorer.score(reference, answer) for reference, answer in zip(references, answers, strict=True)]
    return {kind: fmean(float(score[kind].fmeasure) for score in scores) for kind in ROUGE_TYPES}


def exact_match(references: Sequence[str], answers: Sequence[str]) -> float:
    """Share of answers that are their reference, but for white space around and inside."""
    return _share(" ".join(one.split()) == " ".join(other.split()) for one, other in _pairs(references, answers))


def token_f1(references: Sequence[str], answers: Sequence[str]) -> float:
    """Mean F1 of shared words (SQuAD, Rajpurkar et al. 2016): no case, punctuation or articles."""
    return fmean(_word_f1(_words(one), _words(other)) for one, other in _pairs(references, answers))


def sql_match(references: Sequence[str], answers: Sequence[str]) -> float:
    """Share of queries that are their reference, but for case and white space outside of quotes and a last ';'."""
    return _share(_plain_sql(one) == _plain_sql(other) for one, other in _pairs(references, answers))


def _pairs(references: Sequence[str], answers: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(references, answers, strict=True))


def _share(hits: Iterable[bool]) -> float:
    return fmean(map(float, hits))


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _word_f1(reference: list[str], answer: list[str]) -> float:
    if not reference or not answer:
        return float(reference == answer)
    shared = sum((Counter(reference) & Counter(answer)).values())
    return 2 * shared / (len(reference) + len(answer))


def _plain_sql(query: str) -> str:
    parts = _SQL_PARTS.findall(query.strip().rstrip(";"))
    plain = (part if part[0] in "'\"" else " " if part.isspace() else part.lower() for part in parts)
    return "".join(plain).strip()
