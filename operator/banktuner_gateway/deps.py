"""The parts that the routes work with, and how the real ones are made."""

from dataclasses import dataclass

from banktuner_api import names
from banktuner_api.agent import AgentClient
from banktuner_gateway.access.caller import Authenticator
from banktuner_gateway.access.tokens import TokenStore
from banktuner_gateway.desired import DesiredWatcher
from banktuner_gateway.engine.client import EngineClient
from banktuner_gateway.observability import Metrics
from banktuner_gateway.settings import Settings


@dataclass(frozen=True)
class Deps:
    """What the routes work with; reachable as `request.app.state.deps`."""

    authenticator: Authenticator
    desired: DesiredWatcher
    engine: EngineClient
    metrics: Metrics


def build_deps(settings: Settings) -> Deps:
    """The real parts for these settings; nothing is connected yet."""
    config = settings.config
    client = AgentClient(config.agent_url, settings.token_file, settings.config_dir / names.CA_KEY)
    desired = DesiredWatcher(client, config.namespace, config.name, settings.config_dir / names.DESIRED_KEY)
    return Deps(TokenStore(settings.tokens_dir), desired, EngineClient(config), Metrics())
