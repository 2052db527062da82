"""Reading a Dockerfile just far enough to know which files of the context an image is made of."""

from dataclasses import dataclass, field


@dataclass
class Stage:
    """One `FROM`: what it starts from, its name, the stages and the context paths it copies from."""

    parent: str
    name: str
    lines: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile in their order; only FROM, COPY and ADD are understood."""
    stages: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        instruction = words[0].upper() if words else ""
        if instruction == "FROM":
            named = len(words) > 3 and words[2].upper() == "AS"
            stages.append(Stage(words[1], words[3] if named else str(len(stages))))
        elif instruction in ("COPY", "ADD") and stages:
            note_copy(stages[-1], words[1:])
        if stages and instruction and not instruction.startswith("#"):
            stages[-1].lines.append(line)
    return stages


def note_copy(stage: Stage, words: list[str]) -> None:
    options = [word for word in words if word.startswith("--")]
    origin = [option.partition("=")[2] for option in options if option.startswith("--from=")]
    if origin:
        stage.stages.extend(origin)
    else:
        stage.sources.extend(word for word in words[:-1] if not word.startswith("--"))


def recipe(text: str, target: str | None) -> tuple[str, list[str]]:
    """(text, context paths) that the target stage (the last one, if None) is made of, earlier stages' included.

    Raises KeyError where the Dockerfile has no stage of that name.
    """
    stages = {stage.name: stage for stage in parse(text)}
    wanted = [target if target is not None else list(stages)[-1]]
    if wanted[0] not in stages:
        raise KeyError(wanted[0])
    seen: dict[str, Stage] = {}
    while wanted:
        name = wanted.pop()
        if name in stages and name not in seen:
            seen[name] = stages[name]
            wanted += [stages[name].parent, *stages[name].stages]
    head = [line for line in text.partition("\nFROM ")[0].splitlines() if line.upper().startswith("ARG ")]
    lines = [line for name in sorted(seen) for line in seen[name].lines]
    return "\n".join([*head, *lines]), sorted({source for stage in seen.values() for source in stage.sources})
