"""What a question leaves for its record always fits into one."""

import hashlib

import pytest

from banktuner_gateway.audit.keys import KeySource
from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.audit.record import LONGEST_PATH
from banktuner_gateway.audit.sinks import StdoutSink
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.pipeline.trace import Trace
from banktuner_gateway.retrieval.types import Chunk, Passage
from banktuner_gateway.scope.verdicts import ANSWER_OUT_OF_SCOPE, Verdict


@pytest.fixture
def trace() -> Trace:
    """Nothing is written."""
    return Trace(AuditLog(StdoutSink(), KeySource(None), "pod-a", "bank/assistant"), RequestRecord())


def passage(document: str) -> Passage:
    return Passage(Chunk(document, "Fees", "Cash machines", 3, "Text.", "0" * 64), 0.5)


@pytest.mark.parametrize("length", [1, LONGEST_PATH, LONGEST_PATH + 1, 1024])
def test_a_documents_path_fits_and_tells_paths_apart(trace: Trace, length: int) -> None:
    paths = ["\u00e9" * (length - 1) + end for end in "ab"]
    trace.used([passage(path) for path in paths])
    told = [one.document for one in trace.decision("answered", 200).sources]
    assert told[0] != told[1]
    if length <= LONGEST_PATH:
        assert told == paths
    else:
        assert [len(one) for one in told] == [LONGEST_PATH] * 2
        beginning, _, digest = told[0].partition("~")
        assert paths[0].startswith(beginning) and digest == hashlib.sha256(paths[0].encode()).hexdigest()


def test_a_score_that_is_no_number_is_told_as_the_highest(trace: Trace) -> None:
    trace.scope(Verdict(ANSWER_OUT_OF_SCOPE, float("nan"), 0.998, "card", float("nan")), "output")
    [told] = trace.decision("refused", 200).verdicts
    assert (told.outcome, told.reason, told.score) == ("refuse", "SCP-030", 1.0)
