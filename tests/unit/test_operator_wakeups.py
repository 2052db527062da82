"""Which keys an event wakes, and what is said about kopf."""

import kopf

from banktuner_api import names
from banktuner_operator.cluster.reconcile import Key
from banktuner_operator.runtime import watches
from banktuner_operator.runtime.watches import Wakeups
from tests.unit.operator_samples import Json, job_owner, model_owner

MODEL = Key("BankingModel", "bank", "assistant")
JOB = Key("FineTuneJob", "bank", "card")


class Woken:
    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.gone: list[Key] = []
        self.jobs: list[tuple[str | None, str]] = []
        self.wakeups = Wakeups(
            self.keys.append, self.gone.append, lambda kind, body: self.jobs.append((kind, body["metadata"]["name"]))
        )

    def event(self, kind: str, body: Json, event_type: str = "MODIFIED") -> list[Key]:
        self.keys.clear()
        self.wakeups.resource(kind, event_type, body)
        return self.keys


def test_a_job_wakes_itself_and_those_that_name_it() -> None:
    woken = Woken()
    owner = model_owner(adapters=[{"name": "cards", "fineTuneJob": {"name": "card"}}])
    assert woken.event("BankingModel", owner) == [MODEL]
    assert woken.event("FineTuneJob", job_owner()) == [JOB, MODEL]
    assert woken.event("FineTuneJob", job_owner(), "DELETED") == [MODEL]
    assert woken.gone == [JOB]


def test_a_reference_that_is_taken_out_wakes_no_more() -> None:
    woken = Woken()
    woken.event("BankingModel", model_owner(adapters=[{"name": "cards", "fineTuneJob": {"name": "card"}}]))
    woken.event("BankingModel", model_owner(adapters=[]))
    assert woken.event("FineTuneJob", job_owner()) == [JOB]


def test_a_job_wakes_the_job_that_starts_from_it() -> None:
    woken = Woken()
    following = job_owner(model={"fineTuneJob": {"name": "card"}})
    following["metadata"]["name"] = "second"
    woken.event("FineTuneJob", following)
    assert woken.event("FineTuneJob", job_owner()) == [JOB, Key("FineTuneJob", "bank", "second")]


def test_children_wake_their_owner() -> None:
    woken = Woken()
    labels = {names.LABEL_OWNER_KIND: "FineTuneJob", names.LABEL_INSTANCE: "card"}
    woken.wakeups.child({"metadata": {"namespace": "bank", "labels": labels}})
    woken.wakeups.child({"metadata": {"namespace": "bank", "labels": {names.LABEL_OWNER_KIND: "Else"}}})
    woken.wakeups.child({"metadata": {"namespace": "bank"}})
    assert woken.keys == [JOB]


def test_kopf_is_given_event_handlers_only() -> None:
    """Any other handler would switch on its annotations and finalizers."""
    registry = watches.registry(Woken().wakeups)
    assert registry._watching.get_all_handlers()
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()
    assert not registry._webhooks.get_all_handlers()


def test_kopf_neither_posts_nor_scans() -> None:
    settings = watches.settings()
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True
    assert settings.peering.standalone is True


def test_a_pod_calls_the_api_server_by_address(monkeypatch) -> None:
    found = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t")
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: found)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    for host, server in (("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443")):
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        connection = watches.login()
        assert connection is not None and connection.server == server
        assert connection.expiration is not None
