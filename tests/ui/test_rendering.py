import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_ui import rendering
from banktuner_ui.answers import BASE, DEFAULT, Answer, Choice, GatewayError, Intent, Problem, Source


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("**Fees** are\n\n- 1 EUR", "**Fees** are\n\n- 1 EUR"),
        ("<img src=x onerror=alert(1)>", "&#60;img src=x onerror=alert(1)>"),
        ("see [this](javascript:alert(1))", "see &#91;this](javascript:alert(1))"),
        ("![x](https://evil.example/?q=1)", "!&#91;x](https&#58;//evil.example/?q=1)"),
        ("www.evil.example", "www&#46;evil.example"),
        ("write to a@b.example", "write to a&#64;b.example"),
        ("&lt;", "&#38;lt;"),
        ("use `a < b` here", "use `a < b` here"),
        ("```mermaid\ngraph TD\n```\n<b>", "```\ngraph TD\n```\n&#60;b>"),
        ("```html\n<b>unfinished", "```\n<b>unfinished"),
        ("~~~mermaid\nx\n~~~", "&#126;~~mermaid\nx\n&#126;~~"),
        ("\\`<b>`", "\\`&#60;b>`"),
        ("$5 and $6", "$5 and $6"),
    ],
)
def test_markdown_that_can_do_nothing(said: str, shown: str) -> None:
    assert rendering.as_markdown(said) == shown


@given(st.text(alphabet="<>[]!&@:/w.a \n*-"))
def test_without_code_no_tag_link_or_address_is_left(said: str) -> None:
    assert not re.search(r"<|\[|@|://|www\.", rendering.as_markdown(said))


@given(st.text(alphabet="ab<>[]()!&*_`~#|-+.:/\\ \n"))
def test_text_keeps_its_characters_behind_backslashes(said: str) -> None:
    shown = rendering.as_text(said)
    assert re.sub(r"\\(.)", r"\1", shown).replace("\N{NO-BREAK SPACE}", " ") == said
    assert not re.search(r"(?<!\\)(?:\\\\)*[<\[*_`]", shown)


def answer(**fields: object) -> Answer:
    return Answer.model_validate({"response": "Call us.", "request_id": "r1", **fields})


def test_an_answer_tells_who_gave_it_and_why() -> None:
    done = answer(adapter="card-support", intent=Intent(label="card_lost", confidence=0.974))
    assert rendering.answer(done) == "Call us.\n\n*Adapter card\\-support · card\\_lost 97% · request r1*"


def test_the_base_model_is_named() -> None:
    assert rendering.answer(answer()).endswith("*Base model · request r1*")


def test_sources_are_listed_with_the_numbers_that_the_answer_cites() -> None:
    passages = [
        Source(number=2, document="fees.md", title="Fees <all>", section="Cards", score=0.456),
        Source(number=3, document="loans.pdf"),
    ]
    assert rendering.answer(answer(sources=passages)).split("\n\n")[1:3] == [
        "**Sources**",
        "- \\[2\\] Fees \\<all\\>: Cards (fees\\.md, score 0.46)\n- \\[3\\] loans\\.pdf (loans\\.pdf)",
    ]


def test_a_refusal_says_so_first() -> None:
    said = rendering.answer(answer(refused=True, adapter="cards", request_id="r1"))
    assert said == "**Refused.** This question was not answered.\n\nCall us.\n\n*request r1*"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GatewayError(Problem(code="a", message="Too many questions", request_id="r-9"), 429, 7),
         "Too many questions. Try again in 7 seconds. Request r\\-9."),
        (GatewayError(Problem(code="a", message="Busy."), 503, 1), "Busy\\. Try again in 1 second."),
        (GatewayError(Problem(code="a", message="<b>x</b>"), 502), "\\<b\\>x\\<\\/b\\>."),
        (GatewayError(Problem(code="a", message="No.", request_id="r"), 401),
         "You are signed out. [Sign in again](/login). Request r."),
        (GatewayError(Problem(code="unknown_conversation", message="Leave the field out."), 404),
         "What was said before is no longer kept. Ask again: a new conversation begins."),
    ],
)  # fmt: skip
def test_errors_are_sentences(error: GatewayError, said: str) -> None:
    assert rendering.error(error) == said


def test_choices_of_an_assistant_with_a_default_adapter() -> None:
    labels = rendering.choices(["assistant", "assistant-base", "cards", "loans"])
    assert [rendering.choice(value) for _, value in labels] == [
        DEFAULT, Choice("adapter", "cards"), Choice("adapter", "loans"), BASE,
    ]  # fmt: skip


def test_who_may_not_use_the_default_adapter_is_not_offered_it() -> None:
    labels = rendering.choices(["assistant-base", "loans"])
    assert [value for _, value in labels] == ["adapter:loans", "base:"]


def test_choices_of_an_assistant_whose_name_ends_as_a_base_models() -> None:
    labels = rendering.choices(["data-base", "data-base-base", "cards"])
    assert [value for _, value in labels] == ["default:", "adapter:cards", "base:"]


def test_choices_of_an_assistant_without_adapters() -> None:
    assert [value for _, value in rendering.choices(["assistant"])] == ["default:", "base:"]


@pytest.mark.parametrize("value", ["", "adapter:", "whatever", "default:x"])
def test_an_unknown_choice_is_the_default(value: str) -> None:
    assert rendering.choice(value) == DEFAULT


def test_what_a_choice_puts_into_the_body() -> None:
    assert [choice.fields() for choice in (DEFAULT, BASE, Choice("adapter", "x"))] == [
        {}, {"adapter": None}, {"adapter": "x"},
    ]  # fmt: skip
