"""What both stores promise: whose a conversation is, one question at a time, deletion and erasure."""

import asyncio
from uuid import UUID

import pytest

from banktuner_gateway.conversations.model import Conversation, Turn
from banktuner_gateway.conversations.store import checked_id, new_id, open_turn
from banktuner_gateway.errors import ApiError

FIRST = Turn("How do I freeze my card <CARD_1>?", "In the app.")
SECOND = Turn("And thaw it?", "There too.")
VAULT = {"<CARD_1>": {"kind": "PAN", "last": [1, 2.5, None, True, "ü €  \ud83d"]}}


async def said(store, caller: str, conversation_id: str | None, turn: Turn = FIRST, vault=VAULT) -> str:
    async with open_turn(store, caller, conversation_id) as open_:
        await open_.add(turn, vault)
        return open_.conversation.id


async def refused(work) -> tuple[int, str]:
    with pytest.raises(ApiError) as error:
        await work
    return error.value.status, error.value.code


GONE = (404, "unknown_conversation")
NOBODYS = "8c7e2f4e-5d0b-4d6a-9f43-1f0f6a1b2c3d"
BUSY = (409, "conversation_busy")


async def test_a_new_conversation_gets_a_random_id_and_is_empty(store):
    async with open_turn(store, "teller", None) as turn:
        conversation = turn.conversation
        assert conversation == Conversation(conversation.id)
        assert UUID(conversation.id).version == 4
        await turn.add(FIRST, {})
    assert await said(store, "teller", None) != conversation.id


async def test_turns_and_vault_come_back_as_they_were(store):
    odd = Turn('"quotes" \\ \n\0   <b>', "half a pair: \ud83d, a whole one: \U0001f600")
    known = await said(store, "teller", None, odd)
    async with open_turn(store, "teller", known) as turn:
        assert turn.conversation == Conversation(known, (odd,), VAULT)
        await turn.add(SECOND, {"x": 1})
    assert await store.history("teller", known) == Conversation(known, (odd, SECOND), {"x": 1})


async def test_the_newest_turns_stay(store):
    known = await said(store, "teller", None)
    turns = [Turn(f"question {number}", f"answer {number}") for number in range(5)]
    for turn in turns:
        await said(store, "teller", known, turn)
    assert (await store.history("teller", known)).turns == tuple(turns[-3:])


@pytest.mark.parametrize(
    "presented",
    [NOBODYS, "", "x", "../x", "00000000-0000-1000-8000-000000000000", "*", "a" * 5000, "é", NOBODYS + "\n"],
)
async def test_what_was_never_begun_is_unknown(store, presented):
    await said(store, "teller", None)
    assert await refused(store.begin("teller", presented)) == GONE
    assert await refused(store.history("teller", presented)) == GONE
    assert await refused(store.delete("teller", presented)) == GONE


def test_no_key_is_made_of_what_is_no_id():
    good = new_id()
    assert checked_id(good) == good
    for presented in (good + "\n", good + "x", " " + good, good.replace("4", "5", 1) + "*", "*"):
        with pytest.raises(ApiError):
            checked_id(presented)


async def test_an_id_in_another_form_is_another_id(store):
    known = await said(store, "teller", None)
    for presented in (known.upper(), known.replace("-", ""), f"{{{known}}}"):
        if presented != known:
            assert await refused(store.history("teller", presented)) == GONE


async def test_anothers_conversation_looks_like_none(store):
    known = await said(store, "teller", None)
    assert await refused(store.begin("mobile", known)) == GONE
    assert await refused(store.history("mobile", known)) == GONE
    assert await refused(store.delete("mobile", known)) == GONE
    assert await store.erase("mobile") == 0
    assert (await store.history("teller", known)).turns == (FIRST,)


@pytest.mark.parametrize("other", ["teller ", "Teller", "telle", "teller:", "tel*", "", "teller\0"])
async def test_callers_with_like_names_are_others(store, other):
    known = await said(store, "teller", None)
    assert await refused(store.history(other, known)) == GONE
    assert await store.erase(other) == 0


async def test_a_second_request_is_refused_while_the_first_is_answered(store):
    known = await said(store, "teller", None)
    async with open_turn(store, "teller", known) as turn:
        with pytest.raises(ApiError) as second:
            await store.begin("teller", known)
        assert (second.value.status, second.value.code) == BUSY
        assert second.value.headers["Retry-After"] == "1"
        await turn.add(SECOND, {})
    assert await said(store, "teller", known, SECOND) == known
    assert (await store.history("teller", known)).turns == (FIRST, SECOND, SECOND)


async def test_of_many_at_once_one_wins_and_no_turn_is_lost(store):
    known = await said(store, "teller", None)
    answers = await asyncio.gather(*(said(store, "teller", known, SECOND) for _ in range(20)), return_exceptions=True)
    won = [answer for answer in answers if answer == known]
    assert all((answer.status, answer.code) == BUSY for answer in answers if answer != known)
    assert won
    assert len((await store.history("teller", known)).turns) == min(3, 1 + len(won))


@pytest.mark.parametrize("end", [RuntimeError, asyncio.CancelledError])
async def test_a_request_that_fails_adds_nothing_and_leaves_the_conversation_free(store, end):
    known = await said(store, "teller", None)
    with pytest.raises(end):
        async with open_turn(store, "teller", known):
            raise end
    await said(store, "teller", known, SECOND)
    assert (await store.history("teller", known)).turns == (FIRST, SECOND)


async def test_a_cancelled_request_leaves_the_conversation_free(store):
    known = await said(store, "teller", None)
    held = asyncio.Event()

    async def answer() -> None:
        async with open_turn(store, "teller", known):
            held.set()
            await asyncio.Event().wait()

    request = asyncio.create_task(answer())
    await held.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await said(store, "teller", known, SECOND)


async def test_a_first_question_that_fails_leaves_no_conversation(store):
    async with open_turn(store, "teller", None) as turn:
        pass
    assert await refused(store.history("teller", turn.conversation.id)) == GONE
    assert await store.erase("teller") == 0


async def test_a_deleted_conversation_is_gone_for_good(store):
    known, other = await said(store, "teller", None), await said(store, "teller", None)
    await store.delete("teller", known)
    for work in (store.begin("teller", known), store.history("teller", known), store.delete("teller", known)):
        assert await refused(work) == GONE
    assert (await store.history("teller", other)).turns == (FIRST,)


@pytest.mark.parametrize("erase", [False, True], ids=["delete", "erase"])
@pytest.mark.parametrize("begun", [False, True], ids=["new", "begun before"])
async def test_an_answer_on_its_way_does_not_bring_a_forgotten_conversation_back(store, erase, begun):
    known = await said(store, "teller", None) if begun else None
    async with open_turn(store, "teller", known) as turn:
        await (store.erase("teller") if erase else store.delete("teller", turn.conversation.id))
        assert await refused(turn.add(SECOND, {})) == GONE
    assert await refused(store.history("teller", turn.conversation.id)) == GONE
    assert await store.erase("teller") == 0


async def test_erasure_takes_all_of_one_caller_and_nothing_of_another(store):
    mine = [await said(store, "teller", None) for _ in range(7)]
    theirs = await said(store, "mobile", None)
    assert await store.erase("teller") == 7
    for known in mine:
        assert await refused(store.history("teller", known)) == GONE
    assert await store.erase("teller") == 0
    assert (await store.history("mobile", theirs)).turns == (FIRST,)


async def test_an_overlong_conversation_keeps_its_newest_turns_and_refuses_an_overlong_vault(store):
    long = Turn("x" * 300_000, "y" * 300_000)
    known = await said(store, "teller", None, long)
    await said(store, "teller", known, long)
    assert (await store.history("teller", known)).turns == (long,)
    async with open_turn(store, "teller", known) as turn:
        with pytest.raises(ApiError) as error:
            await turn.add(SECOND, {"x": "x" * 1_100_000})
    assert (error.value.status, error.value.field) == (422, "conversation_id")
    assert (await store.history("teller", known)).turns == (long,)


async def test_a_working_store_has_no_problem(store):
    assert await store.problem() is None
