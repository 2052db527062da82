"""The writer before a real S3 server: down, back, slow to answer, and two writers."""

import asyncio
from pathlib import Path

import httpx
import pytest
from obstore import list as list_objects
from obstore import put

from banktuner_gateway.audit.errors import AuditUnavailableError, SinkError
from banktuner_gateway.audit.heads import SignedHead
from banktuner_gateway.audit.keys import KeySource
from banktuner_gateway.audit.log import AuditLog, Timing
from banktuner_gateway.audit.objects import ObjectSink, open_bucket
from banktuner_gateway.audit.record import hash_line, read_record
from tests.contract.harness import BUCKET, S3Server
from tests.gateway.audit.support import KEY, check, decision, key_file, make_lines, open_log

URI = f"s3://{BUCKET}/audit/assistant"
FAST = Timing(write=60, retry=0.1, publish=0.1)


def sink(s3: S3Server, chain: str) -> ObjectSink:
    bucket, folder = open_bucket(URI, s3.secret("P_"), "P_")
    return ObjectSink(bucket, folder, chain, lambda head: head.signed_by(KEY))


def folder_of(s3: S3Server) -> Path:
    return s3.folder / BUCKET / "audit" / "assistant"


def records(s3: S3Server) -> list[Path]:
    return sorted(folder_of(s3).glob("records/**/*.jsonl"))


async def until(true) -> None:
    while not true():
        await asyncio.sleep(0.02)


@pytest.fixture
def keys(tmp_path: Path) -> KeySource:
    return KeySource(key_file(tmp_path))


async def test_batches_become_objects_and_the_head_is_beside_them(s3: S3Server, keys: KeySource) -> None:
    async with open_log(sink(s3, "pod-a"), keys, "pod-a", FAST) as log:
        await asyncio.gather(*(log.append(decision(number)) for number in range(100)))
        assert len(records(s3)) == 2, "the first record, and all that came while it was written"
    result = check(*records(s3))
    assert (result.problems, result.records) == ([], 102)
    head = folder_of(s3) / "heads" / "pod-a.json"
    assert f'"sequence":{101}' in head.read_text()


async def test_the_store_goes_down_and_comes_back(s3: S3Server, keys: KeySource) -> None:
    async with open_log(sink(s3, "pod-a"), keys, "pod-a", FAST) as log:
        await log.append(decision(1))
        s3.kill()
        for number in (2, 3):
            with pytest.raises(AuditUnavailableError):
                await log.append(decision(number))
        s3.start()
        await until(lambda: log.healthy)
        await log.append(decision(4))
        head = log.state.head
    result = check(*records(s3), heads=[head])
    assert result.problems == []
    events = [read_record(line).event for path in records(s3) for line in path.read_bytes().splitlines()]
    assert events == ["started", "decision", "decision", "outage", "decision", "stopped"]


async def test_refused_credentials_refuse_and_are_told_without_a_secret(
    s3: S3Server, keys: KeySource, caplog: pytest.LogCaptureFixture
) -> None:
    bucket, folder = open_bucket(URI, s3.secret("", AWS_SECRET_ACCESS_KEY="wrong-secret-wrong-secret"))
    refused = ObjectSink(bucket, folder, "pod-a", lambda head: True)
    async with open_log(refused, keys, "pod-a", FAST) as log:
        with pytest.raises(AuditUnavailableError):
            await log.append(decision(1))
    fields = [record.fields for record in caplog.records if hasattr(record, "fields")]
    assert {"why": "the object store refuses the credentials", "sequence": 0} in fields
    assert "wrong-secret" not in str([record.__dict__ for record in caplog.records])


async def test_an_answer_that_was_lost_does_not_write_twice(s3: S3Server) -> None:
    lines = b"".join(line + b"\n" for line in make_lines(3))
    writer = sink(s3, "pod-a")
    await writer.write(0, lines)
    await writer.write(0, lines)
    assert len(records(s3)) == 1
    with pytest.raises(SinkError, match="another writer"):
        await sink(s3, "pod-a").write(0, lines[:-1])
    assert records(s3)[0].read_bytes() == lines


async def test_replicas_see_each_others_heads_and_a_forged_one_is_left_out(s3: S3Server, keys: KeySource) -> None:
    async with (
        open_log(sink(s3, "pod-a"), keys, "pod-a", FAST) as one,
        open_log(sink(s3, "pod-b"), keys, "pod-b", FAST) as other,
    ):
        await one.append(decision(1))
        await until(lambda: any(head.chain == "pod-a" for head in other.heads()))
        forged = one.heads()[0].model_copy(update={"chain": "pod-c", "sequence": 999})
        bucket, folder = open_bucket(URI, s3.secret(""))
        put(bucket, f"{folder}/heads/pod-c.json", forged.model_dump_json().encode())
        assert any("heads/pod-c" in item["path"] for page in list_objects(bucket, folder) for item in page)
        news = await one.append(decision(2))
        await until(lambda: any(head.chain == "pod-a" and head.sequence >= news for head in other.heads()))
        assert {head.chain for head in other.heads()} == {"pod-a", "pod-b"}
    assert check(*records(s3)).problems == []
    cut = [path for path in records(s3) if "pod-a" in str(path)]
    for path in cut[1:]:
        path.unlink()
    problem = check(*records(s3)).problems[0]
    assert (problem.chain, problem.sequence) == ("pod-a", 1), "pod-b's records tell that there were more"


async def test_a_head_in_the_store_is_the_last_kept_record(s3: S3Server, keys: KeySource) -> None:
    async with open_log(sink(s3, "pod-a"), keys, "pod-a", FAST) as log:
        await log.append(decision(1))
    last = records(s3)[-1].read_bytes().splitlines()[-1]
    assert hash_line(last) in (folder_of(s3) / "heads" / "pod-a.json").read_text()
    with pytest.raises(httpx.ConnectError):
        s3.kill()
        httpx.get(s3.endpoint)


class LateSink(ObjectSink):
    """The store takes the first head only when it is let, whether or not somebody still waits for that."""

    def __init__(self, s3: S3Server, chain: str) -> None:
        bucket, folder = open_bucket(URI, s3.secret("P_"), "P_")
        super().__init__(bucket, folder, chain, lambda head: head.signed_by(KEY))
        self.let = asyncio.Event()
        self.first: asyncio.Task[None] | None = None

    async def publish(self, head: SignedHead) -> None:
        if self.first is not None:
            return await super().publish(head)
        self.first = asyncio.create_task(self._late(head))
        await asyncio.shield(self.first)

    async def _late(self, head: SignedHead) -> None:
        await self.let.wait()
        await super().publish(head)


async def test_the_head_before_the_last_does_not_arrive_after_it(s3: S3Server, keys: KeySource) -> None:
    late = LateSink(s3, "pod-a")
    log = AuditLog(late, keys, "pod-a", "bank/assistant", FAST)
    await log.start()
    await until(lambda: late.first is not None)
    stopping = asyncio.create_task(log.stop())
    await asyncio.wait({stopping}, timeout=2)
    late.let.set()
    await asyncio.gather(stopping, late.first)
    last = records(s3)[-1].read_bytes().splitlines()[-1]
    assert read_record(last).event == "stopped"
    assert hash_line(last) in (folder_of(s3) / "heads" / "pod-a.json").read_text()
