"""The quickstart's training files, from the generator's: rows in the very form in which the gateway will ask.

The gateway puts its system prompt and passages of the bank's documents before a question. A small model that never saw
such a thing in training loses its way among them, so a share of the rows has them.
"""

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from banktuner_gateway.retrieval.prompt import prompt_block
from banktuner_gateway.retrieval.types import Chunk, Passage

ASSISTANT = Path(__file__).with_name("30-assistant.yaml")
PASSAGE_CHARACTERS = 1000
PARTS = {"base": ("banking", 10), "house": ("house", 40)}
"""What each model learns, beside what it does not talk about, and the percentage of rows that quote a passage."""
INTENTS = ("intents-train.jsonl", "intents-test.jsonl", "intents-out-of-scope.jsonl")
Message = dict[str, str]


class Asked:
    """Questions as the gateway asks them. The same seed gives the same rows."""

    def __init__(self, policies: Path, seed: int) -> None:
        scope = yaml.safe_load(ASSISTANT.read_text("utf-8"))["spec"]["gateway"]["scope"]
        self._system_prompt = scope["systemPrompt"]
        self._passages = [passage for path in sorted(policies.glob("*.md")) for passage in _sections(path)]
        self._random = random.Random(seed)

    def row(self, alpaca: dict[str, str], percent: int) -> dict[str, list[Message]]:
        """One row of format Chat; `percent` of them quote a passage, any passage: the model is to know it by heart."""
        quoted = self._random.randrange(100) < percent
        block = prompt_block([self._random.choice(self._passages)]) if quoted else ""
        system = "\n\n".join(part for part in (self._system_prompt, block) if part)
        question = "\n\n### Input:\n".join(part for part in (alpaca["instruction"], alpaca["input"]) if part)
        roles = ("system", "user", "assistant")
        texts = (system, question, alpaca["output"])
        return {"messages": [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]}


def prepare(build: Path, examples: Path) -> Path:
    """Generate questions and answers, and write the jobs' files to build/quickstart. Returns the generator's folder."""
    generated, folder = build / "dataset", build / "quickstart"
    generator = examples / "dataset" / "generate.py"
    subprocess.run([sys.executable, str(generator), "--seed", "7", "--out", str(generated)], check=True)
    folder.mkdir(exist_ok=True)
    asked = Asked(examples / "knowledge" / "policies", seed=7)
    for part, (source, percent) in PARTS.items():
        for split in ("train", "test"):
            sources = (f"{source}-{split}", f"out-of-scope-{split}")
            write(generated, sources, asked, percent, folder / f"{part}-{split}.jsonl")
    for name in INTENTS:
        shutil.copyfile(generated / name, folder / name)
    return generated


def write(generated: Path, sources: tuple[str, ...], asked: Asked, percent: int, target: Path) -> None:
    """One file of the rows of several."""
    with target.open("w", encoding="utf-8") as file:
        for source in sources:
            for line in (generated / f"{source}.jsonl").read_text("utf-8").splitlines():
                file.write(json.dumps(asked.row(json.loads(line), percent)) + "\n")


def _sections(path: Path) -> Iterator[Passage]:
    """The parts of a Markdown document between its headings, cut to what a passage holds at most."""
    title, _, rest = path.read_text("utf-8").partition("\n")
    for heading, text in re.findall(r"^## (.+)\n\n([^#]+)", rest, flags=re.MULTILINE):
        chunk = Chunk(path.name, title.lstrip("# "), heading, 0, text.strip()[:PASSAGE_CHARACTERS], "")
        yield Passage(chunk, 1.0)
