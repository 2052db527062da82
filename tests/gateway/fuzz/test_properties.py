"""What must hold for any input: of the parts that read streams, headers and texts, without a server in between."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banktuner_gateway.access.tokens import TokenStore
from banktuner_gateway.engine.client import EngineClient
from banktuner_gateway.engine.messages import Delta, Prompt, Turn, parse_completion, parse_event
from banktuner_gateway.errors import ApiError
from banktuner_gateway.privacy import Masker, StreamMasker
from banktuner_gateway.privacy.normalise import normalise
from banktuner_gateway.targets import Target
from bench.gateway.privacy_sentences import personal
from tests.gateway.harness import TOKEN, Background, gateway_config, write_tokens

MASKER = Masker()
ITEMS = [item for item in personal(11, 200) if MASKER.find(normalise(item.text))]
WORDS = st.lists(st.sampled_from(["the", "card", "was", "lost,", "please", "help", "today."]), max_size=8).map(" ".join)
SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def split(content: bytes | str, sizes: Sequence[int]) -> list:
    """In pieces of `sizes`, over and over."""
    pieces, place, turn = [], 0, 0
    while place < len(content):
        size = sizes[turn % len(sizes)]
        pieces.append(content[place : place + size])
        place, turn = place + size, turn + 1
    return pieces


def letters_and_digits(text: str) -> str:
    return "".join(filter(str.isalnum, normalise(text).text)).lower()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(before=WORDS, item=st.sampled_from(ITEMS), after=WORDS, sizes=SIZES)
def test_what_is_masked_in_the_whole_leaks_in_no_split(before, item, after, sizes) -> None:
    text = f"{before}\n{item.text}\n{after}"
    secret = letters_and_digits(item.value)
    whole = MASKER.redact(text)
    stream = StreamMasker(MASKER)
    sent = "".join([stream.feed(piece) for piece in split(text, sizes)]) + stream.flush()
    assert sent == whole
    assert secret not in letters_and_digits(sent)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(value=st.binary(max_size=300), copies=st.integers(1, 2))
async def test_no_header_but_the_token_lets_anybody_in(tokens, value, copies) -> None:
    with pytest.raises(ApiError) as refused:
        await tokens.authenticate([(b"authorization", value)] * copies)
    assert (refused.value.status, refused.value.code) == (401, "unauthorized")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    folder: Path = tmp_path_factory.mktemp("callers") / "tokens"
    write_tokens(folder, teller=TOKEN)
    return TokenStore(folder)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(line=st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"data: " + data))
def test_any_line_of_an_engines_stream_is_a_piece_or_nothing_or_502(line) -> None:
    try:
        assert isinstance(parse_event(line), Delta | None)
    except ApiError as problem:
        assert problem.status == 502
    try:
        parse_completion(line, "model")
    except ApiError as problem:
        assert problem.status == 502


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode()


DONE = b"data: [DONE]"
TEXTS = st.text(max_size=20).map(lambda text: (event(text), text))
SILENT = st.sampled_from([b"", b": comment", b"event: message", b"id: 7", b"data:", event("")]).map(
    lambda line: (line, "")
)
BROKEN = st.sampled_from([b"data: {", b"data: <html>", b'data: {"choices": 7}', b"data: \xff"]).map(lambda x: (x, None))
LINES = st.lists(st.one_of(TEXTS, TEXTS, SILENT, BROKEN), max_size=8)


class RawEngine:
    """A real HTTP server that sends `pieces` as the body of every answer, each as a chunk of its own."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.port = 0

    async def start(self) -> "asyncio.Server":
        server = await asyncio.start_server(self._answer, "127.0.0.1")
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in self.pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        writer.close()


async def read_stream(client: EngineClient) -> tuple[str, int]:
    """The text of one streamed answer, and 200 or the error's status."""
    said = []
    try:
        prompt = Prompt((Turn("user", "Is my card blocked?"),), 16)
        async with client.stream(Target("assistant", None), prompt, "id", "message") as (deltas, _):
            async for delta in deltas:
                said.append(delta.text)
    except ApiError as problem:
        return "".join(said), problem.status
    return "".join(said), 200


@pytest.fixture(scope="module")
def raw_engine(background: Background):
    engine = RawEngine()
    server = background.run(engine.start())
    client = EngineClient(gateway_config(engine.port))
    yield engine, client
    background.run(client.close())
    background.loop.call_soon_threadsafe(server.close)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(lines=LINES, done=st.booleans(), end=st.sampled_from([b"\n", b"\r\n", b"\n\n"]), sizes=SIZES)
def test_a_stream_is_read_the_same_however_it_is_cut(background, raw_engine, lines, done, end, sizes) -> None:
    """Up to what is broken; a stream that does not say that it is done is broken too."""
    engine, client = raw_engine
    engine.pieces = split(b"".join(line + end for line, _ in [*lines, *([(DONE, "")] if done else [])]), sizes)
    good = 0
    while good < len(lines) and lines[good][1] is not None:
        good += 1
    expected = "".join(text for _, text in lines[:good])
    assert background.run(read_stream(client)) == (expected, 200 if done and good == len(lines) else 502)
