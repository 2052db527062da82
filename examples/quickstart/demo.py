"""`make demo`: tunes a small assistant on the cluster, serves it with every guard, and asks it questions.

Writes build/demo.json. Exits 1 when an object failed or an answer is wrong.
"""

import hashlib
import json
import os
import secrets
import shutil
import sys
import time
from pathlib import Path

import asking
import data
import httpx
from rich.console import Console

from kube import Json, KubectlError, apply, delete, kubectl, upload, wait_until_gone
from watching import FINETUNE, SERVING, Row, watch

HERE = Path(__file__).resolve().parent
BUILD = Path("build")
NAMESPACE = os.environ.get("BANKTUNER_NAMESPACE", "bank")
LIMIT_SECONDS = 45 * 60
console = Console(width=None if sys.stdout.isatty() else 140)


def remove_earlier(rows: list[Row]) -> None:
    """Remove what an earlier demo left. Its records go when its gateway, which writes a last one, has ended."""
    for row in reversed(rows):
        kubectl("delete", row.kind, row.name, "-n", NAMESPACE, "--ignore-not-found")
        wait_until_gone(row.kind, row.name, NAMESPACE)
    gateway = "app.kubernetes.io/instance=assistant,app.kubernetes.io/component=gateway"
    kubectl("wait", "--for=delete", "pod", "-l", gateway, "-n", NAMESPACE, "--timeout=120s", timeout=150)
    delete(asking.AUDIT_PREFIX)
    shutil.rmtree(BUILD / "audit", ignore_errors=True)


def prepare_bucket() -> Path:
    """Put the jobs' files and the bank's documents into the bucket."""
    generated = data.prepare(BUILD, HERE.parent)
    upload(BUILD / "quickstart", "quickstart")
    upload(HERE.parent / "knowledge" / "policies", "quickstart/policies")
    return generated


def create_secrets() -> str:
    """A new caller's token, of which the cluster gets the SHA-256 only, and a new key for the records."""
    token, key = secrets.token_urlsafe(24), secrets.token_hex(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    (BUILD / "audit.key").write_text(key, "utf-8")
    for name, content in (("chat-tokens", {"demo": digest}), ("audit-key", {"key": key})):
        secret: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        apply(secret | {"stringData": content}, NAMESPACE)
    return token


def apply_objects() -> None:
    """Apply the quickstart's objects."""
    for path in sorted(HERE.glob("*.yaml")):
        text = path.read_text("utf-8").replace("s3://banktuner/", f"s3://{os.environ['BANKTUNER_BUCKET']}/")
        apply(text, NAMESPACE)
        console.print(f"applied {path.relative_to(HERE.parent.parent)}")


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
    rows = [*(Row(FINETUNE, f"quickstart-{name}") for name in ("base", "intents", "house")), Row(SERVING, "assistant")]
    answers, seconds = list[Json](), dict[str, float]()
    whole, told = False, "no record was looked at"
    try:
        remove_earlier(rows)
        folder, token = prepare_bucket(), create_secrets()
        apply_objects()
        seconds["prepare"] = round(time.monotonic() - started, 1)
        watch(rows, NAMESPACE, LIMIT_SECONDS)
        if all(row.done for row in rows):
            answers += asking.ask_all(folder, token, NAMESPACE, BUILD / asking.HEADS)
            whole, told = asking.verify_records(BUILD)
    except (TimeoutError, KubectlError, OSError, httpx.HTTPError) as error:
        console.print(f"[red]{error}[/]")
    seconds["total"] = round(time.monotonic() - started, 1)
    passed = whole and bool(answers) and all(entry["right"] for entry in answers)
    asking.show(console, answers)
    console.print(f"audit records: {told}", highlight=False)
    write_report(rows, answers, seconds, passed)
    if passed:
        say_goodbye(token)
    else:
        explain(rows)
    return 0 if passed else 1


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
The chat page asks for the token above:
  kubectl port-forward -n {NAMESPACE} service/assistant-ui 8081:80 &
The report is in build/demo.json. `make down` stops the cluster.""",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
