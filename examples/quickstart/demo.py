"""`make demo`: tunes a small assistant on the cluster, serves it, and asks it banking questions.

Writes build/demo.json. Exits 1 when an object failed or an answer is wrong.
"""

import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from kube import Json, KubectlError, apply, kubectl, port_forward, upload, wait_until_gone
from watching import FINETUNE, SERVING, Row, watch

HERE = Path(__file__).resolve().parent
BUILD = Path("build")
NAMESPACE = os.environ.get("BANKTUNER_NAMESPACE", "bank")
LIMIT_SECONDS = 45 * 60
console = Console()


PARTS = {"base": "banking", "house": "house"}
"""Both models also learn what they do not talk about."""


def prepare_data() -> Path:
    """Generate the questions and answers and put them into the bucket."""
    generated, folder = BUILD / "dataset", BUILD / "quickstart"
    generator = HERE.parent / "dataset" / "generate.py"
    subprocess.run([sys.executable, str(generator), "--seed", "7", "--out", str(generated)], check=True)
    folder.mkdir(exist_ok=True)
    for part, source in PARTS.items():
        for split in ("train", "test"):
            files = [generated / f"{name}-{split}.jsonl" for name in (source, "out-of-scope")]
            (folder / f"{part}-{split}.jsonl").write_bytes(b"".join(file.read_bytes() for file in files))
    upload(folder, "quickstart")
    return generated


def create_token() -> str:
    """A new caller's token; the cluster gets its SHA-256 only."""
    token = secrets.token_urlsafe(24)
    digest = hashlib.sha256(token.encode()).hexdigest()
    secret: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "chat-tokens"}}
    apply(secret | {"stringData": {"demo": digest}}, NAMESPACE)
    return token


def apply_objects() -> list[Row]:
    """Remove what an earlier demo left, then apply the three objects."""
    rows = [Row(FINETUNE, "quickstart-base"), Row(FINETUNE, "quickstart-house"), Row(SERVING, "assistant")]
    for row in reversed(rows):
        kubectl("delete", row.kind, row.name, "-n", NAMESPACE, "--ignore-not-found")
        wait_until_gone(row.kind, row.name, NAMESPACE)
    for path in sorted(HERE.glob("*.yaml")):
        text = path.read_text("utf-8").replace("s3://banktuner/", f"s3://{os.environ['BANKTUNER_BUCKET']}/")
        apply(text, NAMESPACE)
        console.print(f"applied {path.relative_to(HERE.parent.parent)}")
    return rows


def ask(port: int, token: str, question: str, **options: Any) -> str:
    """One answer of the gateway. Raises OSError."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/chat/",
        data=json.dumps({"message": question} | options).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        return str(json.load(response)["response"])


def ask_all(folder: Path, token: str) -> list[Json]:
    """The five banking questions: answers of the tuned and of the base model, and whether the tuned one is right."""
    questions = json.loads((folder / "questions.json").read_text("utf-8"))["questions"]
    answers = []
    with port_forward("service/assistant-gateway", 80, NAMESPACE) as port:
        for entry in questions:
            tuned = ask(port, token, entry["question"])
            base = ask(port, token, entry["question"], adapter=None)
            right = all(word.lower() in tuned.lower() for word in entry["expect"])
            answers.append({"question": entry["question"], "answer": tuned, "base": base, "right": right})
    return answers


def show(answers: list[Json]) -> None:
    """The answers beside the base model's."""
    table = Table("Question", "Tuned", "Base", "Right", show_lines=True)
    for entry in answers:
        table.add_row(entry["question"], entry["answer"], entry["base"], "yes" if entry["right"] else "NO")
    console.print(table)


def write_report(rows: list[Row], answers: list[Json], seconds: dict[str, float], passed: bool) -> None:
    """build/demo.json: final statuses, seconds for each phase, questions and answers."""
    report = {
        "passed": passed,
        "seconds": seconds | {row.name: row.phases for row in rows},
        "objects": {row.name: (row.last or {}).get("status") for row in rows},
        "answers": answers,
    }
    (BUILD / "demo.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def explain(rows: list[Row]) -> None:
    """What to look at when something failed."""
    for row in rows:
        if row.failed or not row.done:
            console.print(f"[bold]{row.kind}/{row.name}[/]: {row.step}: {row.detail}", highlight=False)
            console.print(f"  kubectl describe {row.kind} {row.name} -n {NAMESPACE}", highlight=False)


def main() -> int:
    """Run the demo; the exit code tells the truth."""
    BUILD.mkdir(exist_ok=True)
    started = time.monotonic()
    folder = prepare_data()
    token = create_token()
    rows = apply_objects()
    seconds = {"prepare": round(time.monotonic() - started, 1)}
    answers: list[Json] = []
    try:
        watch(rows, NAMESPACE, LIMIT_SECONDS)
        answers = ask_all(folder, token) if all(row.done for row in rows) else []
    except (TimeoutError, KubectlError, OSError) as error:
        console.print(f"[red]{error}[/]")
    seconds["total"] = round(time.monotonic() - started, 1)
    passed = bool(answers) and all(entry["right"] for entry in answers)
    show(answers)
    write_report(rows, answers, seconds, passed)
    if not passed:
        explain(rows)
        return 1
    say_goodbye(token)
    return 0


def say_goodbye(token: str) -> None:
    """The commands to look around."""
    console.print(
        f"""
Look around:
  eval "$(make env)"
  kubectl get banktuner -n {NAMESPACE}
  kubectl describe finetunejob quickstart-house -n {NAMESPACE}
  kubectl port-forward -n {NAMESPACE} service/assistant-gateway 8080:80 &
  curl -H "Authorization: Bearer {token}" -H "Content-Type: application/json" \\
       -d '{{"message": "How do I dispute a transaction?"}}' http://127.0.0.1:8080/api/v1/chat/
The report is in build/demo.json. `make down` stops the cluster.""",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
