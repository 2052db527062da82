"""One question to one or two models, as the texts that the page shows while the answers grow."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from banktuner_ui import rendering
from banktuner_ui.answers import Answer, Choice, GatewayError, Piece
from banktuner_ui.client import Gateway
from banktuner_ui.merging import batches

WAITING = "…"
STOPPED = "*Stopped.*"


@dataclass
class Side:
    """One answer on its way. `conversation` is told the id under which the gateway keeps it."""

    choice: Choice
    conversation_id: str | None
    conversation: Callable[[str | None], None]
    text: str = ""
    shown: str = WAITING

    def take(self, item: Piece | Answer | GatewayError) -> None:
        """Show one more thing that has come."""
        if isinstance(item, Piece):
            self.text += item.text
            self.shown = rendering.as_markdown(self.text)
        elif isinstance(item, Answer):
            # An answer that begins no conversation ends none.
            self.conversation(item.conversation_id or self.conversation_id)
            self.shown = rendering.answer(item)
        else:
            self._fail(item)

    def _fail(self, error: GatewayError) -> None:
        if error.problem.code == rendering.FORGOTTEN:
            self.conversation(None)
        said = f"**No answer.** {rendering.error(error)}"
        self.shown = f"{rendering.as_markdown(self.text)}\n\n{said}" if self.text else said


async def ask(
    gateway: Gateway, token: str, message: str, sides: list[Side], wanted: Callable[[], bool]
) -> AsyncGenerator[None, None]:
    """Ask all sides at once; yields whenever what they show has changed. The requests end when it is closed
    or no longer `wanted`."""
    streams = [_outcomes(gateway.ask(token, message, side.choice, side.conversation_id)) for side in sides]
    async with aclosing(batches(streams, wanted)) as changes:
        async for batch in changes:
            for index, item in batch:
                sides[index].take(item)
            yield


async def _outcomes(
    stream: AsyncGenerator[Piece | Answer, None],
) -> AsyncGenerator[Piece | Answer | GatewayError, None]:
    """The stream, with an error as its last item: one side's failure leaves the other its answer."""
    async with aclosing(stream):
        try:
            async for item in stream:
                yield item
        except GatewayError as error:
            yield error
