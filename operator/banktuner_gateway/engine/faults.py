"""What an engine's failures mean to the caller; nothing about addresses and bodies."""

from http import HTTPStatus

from banktuner_gateway.errors import ApiError, retry_later
from banktuner_gateway.targets import Target, adapter_not_ready

BUSY_RETRY_SECONDS = 2
_NOT_ACCEPTED = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def took_nothing(status: int, target: Target) -> bool:
    """Whether an engine that answers so has not begun to answer the question: it starts, or lacks the adapter."""
    lacks_adapter = status == HTTPStatus.NOT_FOUND and target.adapter is not None
    return lacks_adapter or status == HTTPStatus.SERVICE_UNAVAILABLE


def refusal(status: int, target: Target, field: str) -> ApiError:
    """Of an engine's status; everything but the length of `field` is our own business."""
    if status == HTTPStatus.NOT_FOUND and target.adapter is not None:
        return adapter_not_ready(target.adapter)
    if status in _NOT_ACCEPTED:
        return ApiError(
            422,
            "message_not_accepted",
            "The model did not accept this message; most likely it is longer than the model can read. Shorten it.",
            field=field,
        )
    if status in _BUSY:
        return busy()
    return too_slow() if status == HTTPStatus.GATEWAY_TIMEOUT else broken()


def busy() -> ApiError:
    """503: the engine is there but takes no more."""
    return retry_later("engine_busy", "The model is busy. Try again.", BUSY_RETRY_SECONDS)


def too_slow() -> ApiError:
    """504: no whole answer within the time."""
    return ApiError(504, "engine_timeout", "The model did not answer in time.")


def unreachable() -> ApiError:
    """502: no connection."""
    return ApiError(502, "engine_unreachable", "The model cannot be reached.")


def broken() -> ApiError:
    """502: an answer that cannot be used."""
    return ApiError(502, "engine_error", "The model gave no usable answer.")
