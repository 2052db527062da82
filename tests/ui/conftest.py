import os
from collections.abc import Iterator
from dataclasses import dataclass

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # as the entry point does, before Gradio is imported

import pytest

from banktuner_ui.app import create_app
from banktuner_ui.settings import parse_settings
from tests.ui.gateway import ContractGateway, serving


@dataclass(frozen=True)
class Served:
    """The page's URL, and the gateway behind it."""

    url: str
    gateway: ContractGateway


@pytest.fixture
def gateway() -> ContractGateway:
    return ContractGateway()


@pytest.fixture
def gateway_url(gateway: ContractGateway) -> Iterator[str]:
    with serving(gateway.app) as url:
        yield url


@pytest.fixture(scope="module")
def page() -> Iterator[Served]:
    contract = ContractGateway()
    with serving(contract.app) as gateway_url:
        app = create_app(parse_settings(["--gateway-url", gateway_url, "--title", "Bank & <Co>"], {}))
        with serving(app) as url:
            yield Served(url, contract)
