"""URIs, credentials, and what an object store's errors mean."""

import pytest
from obstore.exceptions import AlreadyExistsError, GenericError, PermissionDeniedError

from banktuner_api.exit_codes import ExitCode
from banktuner_api.run_config import ObjectRef
from banktuner_stager.errors import StagerError
from banktuner_stager.store import Kind, Location, StoreError, classify, open_store, parse_uri
from banktuner_stager.waiting import Patience, give_up

FIELD = "spec.dataset.uri"


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("s3://bank/models/base", Location("bank", "models/base")),
        ("s3://bank/models/base/", Location("bank", "models/base")),
        ("s3://bank", Location("bank", "")),
        ("s3://bank/a b/c+d=e.csv", Location("bank", "a b/c+d=e.csv")),
    ],
)
def test_parse_uri(uri: str, location: Location) -> None:
    assert parse_uri(uri, FIELD) == location


@pytest.mark.parametrize(
    "uri", ["http://bank/a", "s3:///a", "s3://key:secret@bank/a", "s3://bank/a/../b", "s3://bank//a//b", "s3://b/a?x=1"]
)
def test_parse_uri_refuses(uri: str) -> None:
    with pytest.raises(StagerError) as caught:
        parse_uri(uri, FIELD)
    assert (caught.value.exit_code, caught.value.field) == (ExitCode.INVALID_CONFIG, FIELD)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"AWS_ACCESS_KEY_ID": ""}, "AWS_ACCESS_KEY_ID"),
        ({"AWS_SECRET_ACCESS_KEY": " \n"}, "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ENDPOINT_URL": "minio:9000"}, "AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL": "http://user:pass@minio"}, "AWS_ENDPOINT_URL"),
    ],
)
def test_open_store_names_the_key(changes: dict[str, str], word: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", **changes}
    environment = {f"P_{name}": value for name, value in keys.items()}
    with pytest.raises(StagerError) as caught:
        open_store(ObjectRef(uri="s3://bank/a", credentials="P_"), FIELD, "spec.dataset.secretRef", environment)
    assert caught.value.exit_code is ExitCode.INVALID_CONFIG
    assert caught.value.field == "spec.dataset.secretRef" and word in caught.value.message
    assert "pass" not in caught.value.message


def answer(status: int, code: str = "") -> str:
    body = f"<Error><Code>{code}</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>" if code else ""
    return f"Error performing GET x - Server returned non-2xx status code: {status} Words: {body}\n\nDebug source: 404"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(answer(404, "NoSuchKey")), Kind.NOT_FOUND),
        (FileNotFoundError(answer(404, "NoSuchBucket")), Kind.NO_BUCKET),
        (GenericError(answer(404, "NoSuchBucket")), Kind.NO_BUCKET),
        (FileNotFoundError(answer(404, "XAdminUserNotFound")), Kind.DENIED),
        (PermissionDeniedError(answer(403, "SignatureDoesNotMatch")), Kind.DENIED),
        (GenericError(answer(403)), Kind.DENIED),
        (AlreadyExistsError(answer(412, "PreconditionFailed")), Kind.EXISTS),
        (GenericError(answer(503, "SlowDown")), Kind.UNAVAILABLE),
        (GenericError(answer(429)), Kind.UNAVAILABLE),
        (GenericError("HTTP error: error sending request"), Kind.UNAVAILABLE),
        (GenericError(answer(400, "InvalidRequest")), Kind.REJECTED),
        (GenericError(answer(301, "PermanentRedirect")), Kind.REJECTED),
        (TimeoutError("slow"), Kind.UNAVAILABLE),
    ],
)
def test_classify(error: Exception, kind: Kind) -> None:
    classified = classify(error)
    assert classified.kind is kind
    assert "AKIA" not in classified.detail


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (Kind.NOT_FOUND, ExitCode.OBJECT_NOT_FOUND, "ObjectNotFound"),
        (Kind.NO_BUCKET, ExitCode.OBJECT_NOT_FOUND, "ObjectNotFound"),
        (Kind.DENIED, ExitCode.ACCESS_DENIED, "AccessDenied"),
        (Kind.REJECTED, ExitCode.INVALID_CONFIG, "InvalidConfig"),
        (Kind.UNAVAILABLE, ExitCode.OBJECT_STORE_UNAVAILABLE, "ObjectStoreUnavailable"),
    ],
)
def test_give_up_names_field_and_uri(kind: Kind, code: ExitCode, reason: str) -> None:
    error = give_up(StoreError(kind, "status 1"), "s3://bank/a", FIELD)
    assert (error.exit_code, error.reason, error.field) == (code, reason, FIELD)
    assert FIELD in error.message and "s3://bank/a" in error.message


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def failing(times: int, kind: Kind):
    left = [times]

    def call() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise StoreError(kind, "no answer")
        return "value"

    return call


def patience(time: Time, told: list[str], **changes) -> Patience:
    return Patience(tell=lambda reason, _: told.append(reason), sleep=time.sleep, clock=lambda: time.now, **changes)


def test_patience_backs_off_and_tells() -> None:
    time, told = Time(), []
    assert patience(time, told).run(failing(6, Kind.UNAVAILABLE), "s3://b/a", FIELD) == "value"
    assert time.slept == [1, 2, 4, 8, 15, 15]
    assert set(told) == {"ObjectStoreUnavailable"}


def test_patience_ends() -> None:
    time = Time()
    with pytest.raises(StagerError) as caught:
        patience(time, [], limit=300.0).run(failing(1000, Kind.UNAVAILABLE), "s3://b/a", FIELD)
    assert caught.value.exit_code is ExitCode.OBJECT_STORE_UNAVAILABLE
    assert 300 <= time.now <= 315


def test_only_what_comes_back_by_itself_is_waited_for() -> None:
    with pytest.raises(StagerError) as caught:
        patience(Time(), []).run(failing(1, Kind.DENIED), "s3://b/a", FIELD)
    assert caught.value.exit_code is ExitCode.ACCESS_DENIED
    time, told = Time(), []
    waiting = patience(time, told, forever_for=frozenset(Kind))
    assert waiting.run(failing(100, Kind.DENIED), "s3://b/a", FIELD) == "value"
    assert told[0] == "ObjectStoreDenied" and time.now > 1000
