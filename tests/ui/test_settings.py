from pathlib import Path

import pytest

from banktuner_ui.settings import SettingsError, parse_settings

URL = ["--gateway-url", "http://assistant-gateway.bank.svc/"]


def test_options_come_before_the_environment() -> None:
    environ = {"BANKTUNER_UI_GATEWAY_URL": "https://other", "BANKTUNER_UI_TITLE": "Our bank", "BANKTUNER_UI_PORT": "80"}
    settings = parse_settings(URL, environ)
    assert (settings.gateway_url, settings.title, settings.port) == (
        "http://assistant-gateway.bank.svc",
        "Our bank",
        80,
    )
    assert settings.secure_cookie


@pytest.mark.parametrize("url", ["", "assistant", "ftp://a", "http://user:pw@a", "http://a/?token=x", "http://"])
def test_what_is_no_gateway(url: str) -> None:
    with pytest.raises(SettingsError, match="--gateway-url"):
        parse_settings(["--gateway-url", url], {})


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    for name in ("ca.crt", "absent.crt"):
        settings = parse_settings([*URL, "--ca-file", str(tmp_path / name)], {})
        with pytest.raises(SettingsError, match="--ca-file"):
            settings.tls()
