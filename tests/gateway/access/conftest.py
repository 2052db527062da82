import pytest

from banktuner_gateway.access import jwks


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a provider may take seconds; that is told by the test of a slow one alone."""
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 60.0)
