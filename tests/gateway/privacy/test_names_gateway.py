"""The gateway with a name model: what the engine sees, what the caller sees, and no start with a broken one."""

import json
from pathlib import Path

import httpx
import pytest

from banktuner_gateway.settings import SettingsError
from tests.gateway.harness import AUTH, CHAT, Engine, events
from tests.gateway.privacy.conftest import table_model

NAMES = {"names": {"uri": "s3://bank/names"}}
TABLE = {"Smith": [0.0, 9.0, 0.0, 0.0], "Zoe": [float("nan")] * 4}


def test_a_name_is_masked_for_the_engine_and_comes_back(files: Path, start_gateway, engine: Engine) -> None:
    table_model(files / "work" / "names", TABLE)
    with httpx.Client(base_url=start_gateway(privacy=NAMES)) as client:
        answer = client.post(CHAT, json={"message": "Is Smith my adviser?"}, headers=AUTH).json()
        [_, question] = engine.requests[-1]
        assert question["messages"][-1]["content"] == "Is <PERSON_1> my adviser?"
        assert answer["response"].endswith("says Is Smith my adviser?")
        engine.says = "Your adviser is Mr. Smith. Call <PERSON_1>."
        body = {"message": "Is Smith my adviser?", "stream": True}
        said = client.post(CHAT, json=body, headers=AUTH)
    pieces = [data["text"] for kind, data in events(said.text) if kind == "piece"]
    assert "".join(pieces) == "Your adviser is Mr. <PERSON>. Call Smith."


def test_what_the_model_cannot_judge_is_not_answered(files: Path, start_gateway, engine: Engine) -> None:
    table_model(files / "work" / "names", TABLE)
    asked = len(engine.requests)
    with httpx.Client(base_url=start_gateway(privacy=NAMES)) as client:
        answer = client.post(CHAT, json={"message": "Is Zoe my adviser?"}, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
    assert len(engine.requests) == asked


@pytest.mark.parametrize("broken", ["model.onnx", "config.json", "tokenizer.json", None])
def test_a_gateway_does_not_start_without_its_model(files: Path, start_gateway, broken: str | None) -> None:
    if broken is not None:
        table_model(files / "work" / "names", TABLE)
        (files / "work" / "names" / broken).write_text(json.dumps({}))
    with pytest.raises(SettingsError, match=r"spec\.gateway\.privacy\.names"):
        start_gateway(privacy=NAMES)
