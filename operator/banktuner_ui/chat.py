"""The chat page: Gradio's components, and what each button does."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from banktuner_ui import rendering
from banktuner_ui.answers import BASE, GatewayError
from banktuner_ui.asking import STOPPED, WAITING, Side, ask
from banktuner_ui.client import Gateway
from banktuner_ui.sessions import Page, Session, Sessions

MESSAGE_CHARACTERS = 8000
"""The gateway's bound of a question."""
OPEN_PAGES = 1000
"""Whose texts Gradio may keep in memory; a closed page's are forgotten at once."""
PLACEHOLDER = "Ask about accounts, transactions, fees, loans and cards."
History = list[dict[str, Any]]


class ChatPage:
    """Builds the page for every browser; who asks is in each request's cookie."""

    def __init__(self, title: str, gateway: Gateway, sessions: Sessions) -> None:
        self._title = title
        self._gateway = gateway
        self._sessions = sessions
        self.blocks = self._build()

    def _build(self) -> gr.Blocks:
        blocks = gr.Blocks(title=self._title, analytics_enabled=False, fill_height=True)
        with blocks:
            self._layout()
            self._wire(blocks)
        blocks.state_session_capacity = OPEN_PAGES
        blocks.queue(default_concurrency_limit=None, api_open=False)
        return blocks

    def _layout(self) -> None:
        with gr.Row(elem_id="top", equal_height=True):
            gr.Markdown(f"# {rendering.as_text(self._title)}", elem_id="title", latex_delimiters=[])
            gr.Button("Sign out", link="/logout", size="sm", elem_id="sign-out", scale=0, min_width=110)
        with gr.Row(elem_id="choices", equal_height=True):
            options = [(rendering.ASSISTANT, "default:")]
            self._choice = gr.Dropdown(options, value="default:", label="Who answers", elem_id="who", min_width=200)
            self._compare = gr.Checkbox(label="Base model beside it", elem_id="compare", min_width=200)
            self._new = gr.Button("New conversation", elem_id="new", size="md", min_width=200, scale=0)
        self._notice = gr.Markdown(visible=False, elem_id="notice", latex_delimiters=[])
        with gr.Row(elem_id="conversations", equal_height=True, scale=1):
            self._tuned = _conversation(rendering.ASSISTANT, "tuned", visible=True)
            self._base = _conversation("Base model", "base", visible=False)
        with gr.Row(elem_id="asking", equal_height=True):
            self._question = gr.Textbox(
                show_label=False, placeholder="Ask a banking question", lines=1, max_lines=6,
                max_length=MESSAGE_CHARACTERS, elem_id="question", scale=8, autofocus=True, container=False,
            )  # fmt: skip
            self._send = gr.Button("Ask", variant="primary", elem_id="ask", min_width=90, scale=1)
            self._stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=90, scale=1, visible=False)

    def _wire(self, blocks: gr.Blocks) -> None:
        both = [self._tuned, self._base]
        asking = [self._question, *both, self._send, self._stop]
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        # Gradio's browser part loses what is sent in the moment in which it is about to take a stream's end: it waits
        # for the result on the stream that has ended. So the stream is for answers; the rest comes as its own response.
        at_once = {**private, "queue": False}
        asked = gr.on(
            [self._send.click, self._question.submit], self._ask,
            [self._question, self._choice, self._compare, *both], asking,
            preprocess=False, **private,
        )  # fmt: skip
        self._stop.click(self._stopped, both, asking, cancels=[asked], preprocess=False, **at_once)
        anew = [self._new.click, self._tuned.clear, self._base.clear]
        gr.on(anew, self._begin_anew, None, [*asking, self._notice], cancels=[asked], **at_once)
        self._compare.change(lambda on: gr.update(visible=on), self._compare, self._base, **at_once)
        blocks.load(self._opened, None, [self._choice, self._notice], **at_once)
        blocks.unload(self._closed)

    async def _opened(self, request: gr.Request) -> tuple[Any, Any]:
        session, _ = self._who(request)
        if session is None:
            return gr.skip(), gr.update(value=rendering.SIGN_IN_AGAIN, visible=True)
        try:
            options = rendering.choices(await self._gateway.models(session.token))
        except GatewayError as error:
            return gr.skip(), gr.update(value=rendering.error(error), visible=True)
        return gr.update(choices=options, value=options[0][1]), gr.update(visible=False)

    async def _ask(
        self, question: str, choice: str, compare: bool, tuned: History, base: History, request: gr.Request
    ) -> AsyncGenerator[tuple[Any, ...], None]:
        if not question.strip():
            yield (gr.skip(),) * 5
            return
        session, page = self._who(request)
        asked = {"role": "user", "content": rendering.as_text(question)}
        if session is None or page is None:
            refusal = {"role": "assistant", "content": rendering.SIGN_IN_AGAIN}
            yield gr.skip(), [*tuned, asked, refusal], gr.skip(), gr.skip(), gr.skip()
            return
        page.listened = time.monotonic()
        sides = [Side(rendering.choice(choice), page.tuned, lambda key: setattr(page, "tuned", key))]
        histories = [[*tuned, asked]]
        if compare:
            sides.append(Side(BASE, page.base, lambda key: setattr(page, "base", key)))
            histories.append([*base, asked])
        yield gr.update(value=""), *_shown(histories, sides), *_buttons(asking=True)
        async with aclosing(ask(self._gateway, session.token, question, sides, page.wanted)) as changes:
            async for _ in changes:
                yield gr.skip(), *_shown(histories, sides), gr.skip(), gr.skip()
        yield gr.skip(), *_shown(histories, sides), *_buttons(asking=False)

    def _stopped(self, tuned: History, base: History) -> tuple[Any, ...]:
        return gr.skip(), _marked(tuned), _marked(base), *_buttons(asking=False)

    async def _begin_anew(self, request: gr.Request) -> tuple[Any, ...]:
        notice = gr.update(visible=False)
        session, page = self._who(request)
        if session is None or page is None:
            notice = gr.update(value=rendering.SIGN_IN_AGAIN, visible=True)
        else:
            try:
                await self._forget(session, page)
            except GatewayError as error:
                said = f"The conversation before could not be deleted. {rendering.error(error)}"
                notice = gr.update(value=said, visible=True)
        return gr.update(value=""), [], [], *_buttons(asking=False), notice

    async def _forget(self, session: Session, page: Page) -> None:
        known = [key for key in (page.tuned, page.base) if key]
        page.tuned = page.base = None
        for key in known:
            await self._gateway.forget(session.token, key)

    def _closed(self, request: gr.Request) -> None:
        """Gradio would keep a closed page's texts in memory."""
        self.blocks.state_holder.session_data.pop(str(request.session_hash), None)

    def _who(self, request: gr.Request) -> tuple[Session | None, Page | None]:
        cookies, page_id = request.cookies, str(request.session_hash)
        if not self._sessions.owns(cookies, page_id):
            return None, None
        session = self._sessions.find(cookies)
        return session, session.pages[page_id] if session else None


def _conversation(label: str, name: str, visible: bool) -> gr.Chatbot:
    return gr.Chatbot(
        label=label, elem_id=name, visible=visible, height=None, latex_delimiters=[], placeholder=PLACEHOLDER,
        sanitize_html=True, allow_tags=False, buttons=["copy"], feedback_options=None, allow_file_downloads=False,
        group_consecutive_messages=False, layout="bubble",
    )  # fmt: skip


def _shown(histories: list[History], sides: list[Side]) -> tuple[Any, ...]:
    """Values of both conversations; the base model's stays as it is where it is not asked."""
    shown: list[Any] = [
        [*history, {"role": "assistant", "content": side.shown}] for history, side in zip(histories, sides, strict=True)
    ]
    return *shown, *[gr.skip()] * (2 - len(shown))


def _marked(history: History) -> History:
    if not history or history[-1]["role"] != "assistant":
        return history
    content = history[-1]["content"]
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    said = STOPPED if text == WAITING else f"{text}\n\n{STOPPED}"
    return [*history[:-1], {"role": "assistant", "content": said}]


def _buttons(asking: bool) -> tuple[Any, Any]:
    return gr.update(visible=not asking), gr.update(visible=asking)
