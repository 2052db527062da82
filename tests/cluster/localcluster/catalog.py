"""Which images there are, in the order to build them, and the content hash that tells whether one has changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from localcluster import dockerfiles
from localcluster.shell import ClusterError

TAG_LENGTH = 12


@dataclass(frozen=True)
class Image:
    """One image; `parents` maps a build argument to the image whose reference it takes.

    `imported` is False for images that only others are built from.
    """

    name: str
    dockerfile: str
    target: str | None
    parents: Mapping[str, str]
    imported: bool = True


TRAINER = "trainer_image/Dockerfile"
OPERATOR = "operator/Dockerfile"
BASE = {"BASE": "base"}
IMAGES = (
    Image("operator", OPERATOR, "operator", BASE),
    Image("proxy", OPERATOR, "proxy", BASE),
    Image("gateway", OPERATOR, "gateway", BASE),
    Image("ui", OPERATOR, "ui", BASE),
    Image("torch", TRAINER, "torch", BASE, imported=False),
    Image("trainer", TRAINER, "trainer", BASE),
    Image("vllm-cpu", "tests/cluster/images/vllm-cpu/Dockerfile", None, {"TORCH": "torch"}),
)


def files(root: Path, source: str) -> Iterator[Path]:
    """Every file of one COPY source (a path or a pattern), without what Python and editors leave behind."""
    found = sorted(root.glob(source)) if any(sign in source for sign in "*?[") else [root / source]
    for path in found:
        if path.is_dir():
            below = sorted(entry for entry in path.rglob("*") if entry.is_file())
            yield from (entry for entry in below if "__pycache__" not in entry.parts and entry.suffix != ".pyc")
        elif path.is_file():
            yield path
        else:
            raise ClusterError(
                f"a Dockerfile copies {source}, which is not there", f"create {source}, or drop that COPY"
            )


def content_tag(root: Path, image: Image, parent_tags: Mapping[str, str]) -> str:
    """A tag of 12 hex digits that changes with the Dockerfile, the copied files and the parents, and nothing else."""
    dockerfile = root / image.dockerfile
    if not dockerfile.is_file():
        raise ClusterError(f"{image.dockerfile} of image {image.name} is not there", "check out the whole repository")
    text, sources = dockerfiles.recipe(dockerfile.read_text(), image.target)
    digest = sha256(f"{image.name}\0{image.target}\0{text}\0".encode())
    for argument, parent in sorted(image.parents.items()):
        digest.update(f"{argument}={parent_tags[parent]}\0".encode())
    for source in sources:
        for path in files(root, source):
            digest.update(f"{path.relative_to(root)}\0".encode() + sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:TAG_LENGTH]


def tags(root: Path, base_tag: str, images: tuple[Image, ...] = IMAGES) -> dict[str, str]:
    """Image name -> content tag, for the base and every image."""
    found = {"base": base_tag}
    for image in images:
        found[image.name] = content_tag(root, image, found)
    return found


def reference(name: str, tag: str) -> str:
    """The full name by which the kubelet knows the image."""
    return f"docker.io/banktuner/{name}:{tag}"
