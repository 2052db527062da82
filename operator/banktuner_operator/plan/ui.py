"""The chat page of a BankingModel: there for as long as spec.ui asks for it."""

from banktuner_api import names
from banktuner_api.bankingmodel import BankingModelSpec
from banktuner_api.common import Json
from banktuner_operator.manifests import networkpolicy, service
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.manifests.ui import ui_deployment
from banktuner_operator.plan.types import Deletion
from banktuner_operator.settings import Profile, Settings


def url(spec: BankingModelSpec | None, owner: Owner) -> Json:
    """status.uiUrl, where there is a page."""
    if spec is None or not spec.ui.enabled:
        return {}
    return {"uiUrl": f"http://{names.ui_service_name(owner.name)}.{owner.namespace}.svc"}


def children(spec: BankingModelSpec, owner: Owner, profile: Profile, settings: Settings) -> list[Json]:
    """What makes the page; nothing where none is asked for."""
    if not spec.ui.enabled:
        return []
    policy, entrance = networkpolicy.ui_policy(owner), service.ui_service(owner)
    return [policy, entrance, ui_deployment(owner, profile, settings)]


def unwanted(spec: BankingModelSpec, owner: Owner, live: tuple[Json, ...]) -> tuple[Deletion, ...]:
    """What is left of a page that is no longer asked for; the pods go before what closes them in."""
    if spec.ui.enabled:
        return ()
    order = (
        ("Service", names.ui_service_name(owner.name)),
        ("Deployment", owner.child("ui")),
        ("NetworkPolicy", owner.child("ui")),
    )
    there = {(child["kind"], child["metadata"]["name"]): child for child in live}
    found = [there[key] for key in order if key in there]
    return tuple(Deletion.of(child) for child in found if not child["metadata"].get("deletionTimestamp"))
