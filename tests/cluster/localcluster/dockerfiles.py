"""Reading a Dockerfile just far enough to know which files of the context an image is made of."""

from dataclasses import dataclass, field


@dataclass
class Stage:
    """One `FROM`: what it starts from, its name, the stages and the context paths it copies from."""

    parent: str
    name: str
    sources: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile in their order; only FROM, COPY and ADD are looked at."""
    stages: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        instruction = words[0].upper() if words else ""
        if instruction == "FROM":
            named = len(words) > 3 and words[2].upper() == "AS"
            stages.append(Stage(words[1], words[3] if named else str(len(stages))))
        elif instruction in ("COPY", "ADD") and stages:
            note_copy(stages[-1], words[1:])
    return stages


def note_copy(stage: Stage, words: list[str]) -> None:
    options = [word for word in words if word.startswith("--")]
    origin = [option.partition("=")[2] for option in options if option.startswith("--from=")]
    if origin:
        stage.stages.extend(origin)
    else:
        stage.sources.extend(word for word in words[:-1] if not word.startswith("--"))


def context_sources(text: str, target: str | None) -> list[str]:
    """Context paths that the target stage (the last one, if None) is made of, its earlier stages' included; sorted.

    Raises KeyError where the Dockerfile has no stage of that name.
    """
    stages = {stage.name: stage for stage in parse(text)}
    wanted = [target if target is not None else list(stages)[-1]]
    if wanted[0] not in stages:
        raise KeyError(wanted[0])
    seen: set[str] = set()
    sources: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in seen or name not in stages:
            continue
        seen.add(name)
        sources.update(stages[name].sources)
        wanted += [stages[name].parent, *stages[name].stages]
    return sorted(sources)
