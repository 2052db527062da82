"""G11: whatever is done to the records, the verifier names the first bad one; what is cut off, a head tells."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banktuner_gateway.audit.heads import find_heads, sign_head
from banktuner_gateway.audit.keys import AuditKey
from banktuner_gateway.audit.record import Head, Position, hash_line, seal
from banktuner_gateway.audit.verify import Options, trusted_heads
from tests.gateway.audit.support import KEY, TIME, check, decision, head_of, make_lines, write_lines

LINES = make_lines(9)
OTHER_KEY = AuditKey(b"another-key-another-key-another-key")


def first(tmp_path: Path, lines: list[bytes], **options) -> tuple[int, int, str]:
    """Line, sequence number and reason of the first bad record."""
    result = check(write_lines(tmp_path / "pod-a.jsonl", lines), **options)
    assert result.problems
    problem = result.problems[0]
    return int(problem.place.rpartition(":")[2]), problem.sequence, problem.what


def test_an_untouched_chain_is_good_to_its_last_record(tmp_path: Path) -> None:
    result = check(write_lines(tmp_path / "pod-a.jsonl", LINES), heads=[head_of(LINES), head_of(LINES[:4])])
    assert result.problems == []
    assert (result.records, result.chains["pod-a"].first, result.chains["pod-a"].next.sequence) == (9, 0, 9)


def test_edited(tmp_path: Path) -> None:
    changed = [*LINES[:4], LINES[4].replace(b'"answered"', b'"refused"'), *LINES[5:]]
    assert first(tmp_path, changed) == (5, 4, "it was altered: its HMAC does not match")


def test_edited_and_sealed_anew_with_another_key(tmp_path: Path) -> None:
    line, sequence, what = first(tmp_path, make_lines(9, key=OTHER_KEY))
    assert (line, sequence) == (1, 0)
    assert "is not among the key files" in what


def test_edited_by_who_has_no_key_but_mends_the_hashes(tmp_path: Path) -> None:
    def forge(line: bytes, previous: bytes) -> bytes:
        start = line.index(b'"previous":"') + 12
        return line[:start] + previous + line[start + 64 :]

    changed = LINES[4].replace(b'"teller"', b'"nobody"')
    after = forge(LINES[5], hash_line(changed).encode())
    lines = [*LINES[:4], changed, after]
    assert first(tmp_path, lines)[:2] == (5, 4)
    assert check(tmp_path / "pod-a.jsonl", key=None).problems == [], "without the key nothing is to be seen"
    assert first(tmp_path, lines, key=None, heads=[head_of(LINES[:6])])[1] == 5, "but a head tells"


def test_deleted(tmp_path: Path) -> None:
    assert first(tmp_path, LINES[:4] + LINES[5:]) == (5, 5, "records 4 to 4 before it are missing")
    assert first(tmp_path, LINES[2:]) == (1, 2, "records 0 to 1 before it are missing")


def test_inserted(tmp_path: Path) -> None:
    stranger = make_lines(9, "pod-b")[4]
    forged = make_lines(9, key=OTHER_KEY)[4]
    assert first(tmp_path, [*LINES[:4], stranger, *LINES[4:]])[0::2] == (
        5,
        "it is a record of another chain (pod-b), inserted",
    )
    assert first(tmp_path, [*LINES[:4], forged, *LINES[4:]])[0] == 5
    for junk in (b"", b"{}", b"\xff\x00", b'{"banktuner_audit":1}', b"[" * 5000):
        assert first(tmp_path, [*LINES[:4], junk, *LINES[4:]])[0::2] == (5, "it is no record: altered, or inserted")


def test_a_whole_foreign_chain_after_the_own_one(tmp_path: Path) -> None:
    assert first(tmp_path, LINES + make_lines(3, "pod-b"))[0] == 10


def test_reordered(tmp_path: Path) -> None:
    line, sequence, _ = first(tmp_path, [*LINES[:3], LINES[4], LINES[3], *LINES[5:]])
    assert (line, sequence) == (4, 4)


def test_replayed(tmp_path: Path) -> None:
    assert first(tmp_path, [*LINES, LINES[6]]) == (10, 6, "it is here again or out of order: record 9 was to follow")


def test_replayed_in_another_file(tmp_path: Path) -> None:
    whole, again = write_lines(tmp_path / "a.jsonl", LINES), write_lines(tmp_path / "b.jsonl", LINES[4:6])
    result = check(whole, again)
    assert [(Path(p.place).name, p.sequence) for p in result.problems] == [("b.jsonl:1", 4)]


def test_two_writers_of_one_chain(tmp_path: Path) -> None:
    """Both have the key and the same beginning; the second record 5 follows record 3 instead of record 4."""
    second = seal(decision(77), "pod-a", Position(5, hash_line(LINES[3])), TIME, KEY)
    assert first(tmp_path, [*LINES[:5], second]) == (6, 5, "it does not follow the record before it")
    assert first(tmp_path, [*LINES[:6], second])[:2] == (7, 5)


def test_cut_off_at_the_end_is_found_by_a_head_alone(tmp_path: Path) -> None:
    assert check(write_lines(tmp_path / "pod-a.jsonl", LINES[:6])).problems == []
    line, sequence, what = first(tmp_path, LINES[:6], heads=[head_of(LINES)])
    assert (line, sequence) == (6, 6)
    assert what == "truncated: a head names record 8, the last one here is 5"


def test_cut_off_within_the_last_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "pod-a.jsonl", LINES)
    path.write_bytes(path.read_bytes()[:-20])
    problem = check(path).problems[0]
    assert (problem.sequence, problem.what) == (8, "the line is torn: it does not end")


def test_a_chain_that_is_gone_altogether(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "pod-a.jsonl", LINES)
    result = check(path, heads=[Head(chain="pod-z", sequence=3, hash="0" * 64)])
    assert [(p.chain, p.what) for p in result.problems] == [("pod-z", "the whole chain is missing")]


def test_replaced_by_another_chain_of_the_same_name(tmp_path: Path) -> None:
    """As who has the key can do; only a head that was kept elsewhere tells."""
    shorter = make_lines(9, ended=True)
    line, sequence, what = first(tmp_path, shorter, heads=[head_of(LINES)])
    assert (line, sequence, what) == (9, 8, "it is not the record that a head names")


def test_files_are_put_in_order_and_a_lost_one_is_missed(tmp_path: Path) -> None:
    parts = [write_lines(tmp_path / name, LINES[a:b]) for name, a, b in (("c", 0, 3), ("a", 3, 6), ("b", 6, 9))]
    assert check(*parts).problems == []
    assert check(parts[0], parts[2]).problems[0].what == "records 3 to 5 before it are missing"
    assert check(parts[1], parts[2], partial=True).problems == []
    assert check(parts[1], parts[2]).problems[0].sequence == 3


@settings(max_examples=400)
@given(st.data())
def test_any_edit_of_any_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = b"".join(line + b"\n" for line in LINES)
    place = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    path = tmp_path_factory.getbasetemp() / "edited.jsonl"
    path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
    result = check(path)
    assert result.problems
    edited = content[:place].count(b"\n")
    assert int(result.problems[0].place.rpartition(":")[2]) - 1 == edited


@given(st.integers(0, 8), st.integers(0, 8), st.booleans())
def test_any_beginning_of_a_chain_is_told_from_the_whole_by_its_head(
    tmp_path_factory: pytest.TempPathFactory, kept: int, named: int, keyed: bool
) -> None:
    path = write_lines(tmp_path_factory.getbasetemp() / "cut.jsonl", LINES[: kept + 1])
    result = check(path, heads=[head_of(LINES[: named + 1])], key=KEY if keyed else None)
    assert bool(result.problems) == (named > kept)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 8), max_size=12).filter(lambda order: order != list(range(len(order)))))
def test_any_other_order_or_choice_of_lines_is_found(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    path = write_lines(tmp_path_factory.getbasetemp() / "order.jsonl", [LINES[number] for number in order])
    wrong = next(place for place, number in enumerate(order) if place != number)
    assert check(path).problems[0].place == f"{path.resolve()}:{wrong + 1}"


@given(st.binary(max_size=400))
def test_no_file_ends_the_verifier(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.jsonl"
    path.write_bytes(content)
    assert bool(check(path).problems) == bool(content)
    check(path, log=True)


def test_records_are_found_in_a_log_between_other_lines_and_chains(tmp_path: Path) -> None:
    other = make_lines(3, "pod-b")
    lines = [
        b'{"level":"info"}',
        *LINES[:2],
        other[0],
        b"words",
        b"2026-03-01T10:00:00Z stdout F " + LINES[2],
        other[1],
    ]
    path = write_lines(tmp_path / "container.log", lines)
    result = check(path, log=True)
    assert result.problems == []
    assert {name: chain.next.sequence for name, chain in result.chains.items()} == {"pod-a": 3, "pod-b": 2}
    assert check(write_lines(path, [*lines, LINES[4]]), log=True).problems[0].sequence == 4


def test_heads_are_found_in_any_text_and_forged_ones_told(tmp_path: Path) -> None:
    head = sign_head(head_of(LINES), TIME, KEY)
    texts = [
        head.model_dump_json(),
        json.dumps({"heads": [head.model_dump()]}, indent=2),
        'x {"message":"audit head","audit_head":' + head.model_dump_json() + "}\n{}",
    ]
    options = Options({KEY.id: KEY})
    for text in texts:
        assert find_heads(text) == ([head], 0)
    forged = head.model_copy(update={"sequence": 2})
    good, bad = trusted_heads([head, forged, sign_head(head_of(LINES), TIME, OTHER_KEY)], options)
    assert good == [head_of(LINES)]
    assert [problem.sequence for problem in bad] == [2, 8]
    assert find_heads('{"banktuner_audit_head": 1, "chain"')[1] == 1
