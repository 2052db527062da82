"""Asks the assistant the quickstart's questions, and has its records verified."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import obstore
from rich.console import Console
from rich.table import Table

from kube import Json, bucket, port_forward

AUDIT_PREFIX = "quickstart/audit"
HEADS = "audit.heads"
PRIVATE = "I am customer HB-204711. How do I transfer money to DE89 3704 0044 0532 0130 00?"
"""A question with personal data: the model and the records see placeholders."""


class Assistant:
    """The gateway behind a local port."""

    def __init__(self, port: int, token: str) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, question: str, **options: Any) -> Json:
        """One whole answer. Raises OSError."""
        body = json.dumps({"message": question} | options).encode()
        request = urllib.request.Request(f"{self._url}/api/v1/chat/", body, self._headers)
        with urllib.request.urlopen(request, timeout=120) as response:
            answer: Json = json.load(response)
        return answer

    def heads(self) -> bytes:
        """How far the audit chains go, for the verifier: without it nobody sees that their ends were cut off."""
        with urllib.request.urlopen(f"{self._url}/audit/heads", timeout=30) as response:
            return bytes(response.read())


def ask_all(folder: Path, token: str, namespace: str, heads: Path) -> list[Json]:
    """Five questions to answer, five to refuse, one with personal data: what was said, and whether it is right.

    `heads`: file for what the gateway then says of its records.
    """
    questions = json.loads((folder / "questions.json").read_text("utf-8"))
    with port_forward("service/assistant-gateway", 80, namespace) as port:
        assistant = Assistant(port, token)
        answered = [_answered(assistant, entry) for entry in questions["questions"]]
        refused = [_refused(assistant, entry) for entry in questions["refuse"]]
        answers = [*answered, *refused, _private(assistant)]
        heads.write_bytes(assistant.heads())
        return answers


def _answered(assistant: Assistant, entry: Json) -> Json:
    tuned = assistant.ask(entry["question"])
    base = assistant.ask(entry["question"], adapter=None)["response"]
    right = all(word.lower() in tuned["response"].lower() for word in entry["expect"])
    return _told("answer", entry["question"], tuned, right and bool(tuned["sources"])) | {"base": base}


def _refused(assistant: Assistant, entry: Json) -> Json:
    said = assistant.ask(entry["question"])
    return _told("refuse", entry["question"], said, said["refused"] and said["response"] == entry["expect"][0])


def _private(assistant: Assistant) -> Json:
    said = assistant.ask(PRIVATE)
    return _told("mask", PRIVATE, said, not said["refused"] and "<" not in said["response"])


def _told(kind: str, question: str, said: Json, right: bool) -> Json:
    intent = "" if said["refused"] else (said["intent"] or {}).get("label", "")
    sources = [f"{one['document']}: {one['section']}" for one in said["sources"]]
    told = {"kind": kind, "question": question, "answer": said["response"], "base": ""}
    return told | {"intent": intent, "sources": sources, "right": right}


def show(console: Console, answers: list[Json]) -> None:
    """The answers beside the base model's, with what the gateway made of them."""
    table = Table("Question", "Intent", "Answer", "Base model", "Source", "Right", show_lines=True)
    for one in answers:
        right = "yes" if one["right"] else "NO"
        table.add_row(one["question"], one["intent"], one["answer"], one["base"], "\n".join(one["sources"]), right)
    console.print(table)


def verify_records(build: Path) -> tuple[bool, str]:
    """Fetch the gateway's records and verify their chains: whether they are whole, and what the verifier said."""
    folder = build / "audit"
    folder.mkdir(exist_ok=True)
    store = bucket()
    for page in store.list(AUDIT_PREFIX):
        for entry in page:
            target = folder / entry["path"].removeprefix(f"{AUDIT_PREFIX}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(bytes(obstore.get(store, entry["path"]).bytes()))
    command = [sys.executable, "-m", "banktuner_gateway.audit", "verify", str(folder)]
    trusted = ["--key-file", str(build / "audit.key"), "--head", str(build / HEADS)]
    run = subprocess.run([*command, *trusted], capture_output=True, text=True)
    return run.returncode == 0, (run.stdout + run.stderr).strip()
