"""Building images with buildah and handing them to containerd: no archive on disk, no layer unpacked twice."""

import json
import os
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from localcluster import archives, catalog, runtime, storage
from localcluster.catalog import Image, reference
from localcluster.settings import REPOSITORY, Paths
from localcluster.shell import ClusterError, run, run_twice, step, succeeds

BASE_PACKAGES = "python3,python3-venv,ca-certificates"
BASE_OPTIONS = (
    "--variant=minbase",
    "--mode=root",
    f"--include={BASE_PACKAGES}",
    # also for what our Dockerfiles install
    '--aptopt=Acquire::Retries "5"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    # as in python:3.11-slim-bookworm
    '--customize-hook=ln -s python3 "$1/usr/bin/python"',
    "bookworm",
)
BASE_TAG = sha256(repr(BASE_OPTIONS).encode()).hexdigest()[: catalog.TAG_LENGTH]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# Where the machine reaches its package registries through a proxy or a mirror, builds do too.
PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
PIP_SETTINGS = {"PIP_INDEX_URL": "index-url", "PIP_EXTRA_INDEX_URL": "extra-index-url", "PIP_TIMEOUT": "timeout"}
NEEDED_GIB_COLD = 25
NEEDED_GIB_WARM = 3
REMEDY = "the log says why; `make up` again goes on from the last finished layer"


def buildah(paths: Paths, *arguments: str) -> tuple[str, ...]:
    store = ("--root", str(paths.buildah / "storage"), "--runroot", str(paths.run / "buildah"))
    return ("buildah", *store, "--storage-driver", "overlay", *arguments)


def local(name: str, tag: str) -> str:
    return f"localhost/banktuner/{name}:{tag}"


def is_stored(paths: Paths, name: str, tag: str) -> bool:
    return succeeds(buildah(paths, "inspect", "--type", "image", local(name, tag)))


def build_missing(paths: Paths) -> dict[str, str]:
    """Have every image in buildah's storage; returns image name -> content tag. Needs no running cluster."""
    tags = catalog.tags(REPOSITORY, BASE_TAG)
    missing = [image for image in catalog.IMAGES if not is_stored(paths, image.name, tags[image.name])]
    if missing:
        clear_leftovers(paths)
    for image in missing:
        ensure_stored(paths, image, tags)
    return tags


def ensure_images(paths: Paths) -> dict[str, str]:
    """Have every image in containerd; returns image name -> full reference of those that pods use."""
    tags = build_missing(paths)
    known = runtime.images(paths)
    wanted = {image.name: reference(image.name, tags[image.name]) for image in catalog.IMAGES if image.imported}
    for name in [name for name, full in wanted.items() if full not in known]:
        with step(f"import {name} into containerd"):
            hand_over(paths, name, tags[name])
    return wanted


def clear_leftovers(paths: Paths) -> None:
    """Drop what a build that was killed left behind, and see that there is room for a new one."""
    scratch = paths.cache / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    succeeds(buildah(paths, "rm", "--all"))
    free = shutil.disk_usage(paths.cache).free / 2**30
    cold = not (paths.buildah / "storage").exists()
    if free < (NEEDED_GIB_COLD if cold else NEEDED_GIB_WARM):
        raise ClusterError(
            f"only {free:.0f} GiB are free below {paths.cache}",
            f"free disk space, or set BANKTUNER_CACHE to a folder with {NEEDED_GIB_COLD} GiB",
        )


def ensure_stored(paths: Paths, image: Image, tags: dict[str, str]) -> None:
    """Have an image, and what it is built from, in buildah's storage."""
    if is_stored(paths, image.name, tags[image.name]):
        return
    for parent in image.parents.values():
        known = [other for other in catalog.IMAGES if other.name == parent]
        if known:
            ensure_stored(paths, known[0], tags)
        else:
            ensure_base(paths)
    with step(f"build image {image.name}"):
        build(paths, image, tags)


def ensure_base(paths: Paths) -> None:
    """A minimal Debian with Python 3.11, in place of the public python:3.11-slim-bookworm."""
    if is_stored(paths, "base", BASE_TAG):
        return
    log = paths.logs / "image-base.log"
    archive = paths.cache / "tmp" / "base.tar"
    with step("build image base from Debian packages"):
        run(("mmdebstrap", *BASE_OPTIONS, str(archive)), log=log, remedy=f"make Debian's packages reachable; {REMEDY}")
        container = run(buildah(paths, "from", "scratch"), remedy=REMEDY).strip()
        run(buildah(paths, "add", "--quiet", container, str(archive), "/"), log=log, remedy=REMEDY)
        run(buildah(paths, "config", "--env", "LANG=C.UTF-8", "--cmd", "python3", container), log=log, remedy=REMEDY)
        run(buildah(paths, "commit", "--quiet", "--rm", container, local("base", BASE_TAG)), log=log, remedy=REMEDY)
        archive.unlink()


def build(paths: Paths, image: Image, tags: dict[str, str]) -> None:
    """Build one image from the repository with the machine's certificates and package registries."""
    options = ["bud", "--isolation", "chroot", "--layers", "--format", "oci"]
    options += ["-t", local(image.name, tags[image.name]), "-f", str(REPOSITORY / image.dockerfile)]
    options += ["--ignorefile", str(ignore_file(paths))]
    if image.target is not None:
        options += ["--target", image.target]
    for argument, parent in image.parents.items():
        options += ["--build-arg", f"{argument}={local(parent, tags[parent])}"]
    for name in PASSED_ON:
        if name in os.environ:
            options += ["--build-arg", f"{name}={os.environ[name]}"]
    if AUTHORITIES.is_file():
        options += ["-v", f"{AUTHORITIES}:{AUTHORITIES}:ro"]
    options += ["-v", f"{pip_settings(paths)}:/etc/pip.conf:ro"]
    command = buildah(paths, *options, str(REPOSITORY))
    log, scratch = paths.logs / f"image-{image.name}.log", {"TMPDIR": str(paths.cache / "tmp")}
    # buildah runs each step from a sealed copy of itself in memory, and now and then the kernel refuses the seal
    # (EBUSY). The second try goes on from the last finished layer; what fails for good fails again.
    run_twice(command, log=log, remedy=REMEDY, env=scratch)


def run_in(paths: Paths, name: str, mounts: Mapping[Path, str], command: tuple[str, ...]) -> None:
    """Run a command in a container of a stored image, as root; `mounts`: paths of this machine -> paths there."""
    tag, log = catalog.tags(REPOSITORY, BASE_TAG)[name], paths.logs / f"run-{name}.log"
    container = run(buildah(paths, "from", local(name, tag)), remedy=REMEDY).strip()
    volumes = [option for here, there in mounts.items() for option in ("-v", f"{here}:{there}")]
    options = ("--isolation", "chroot", "--user", "0", *volumes)
    try:
        run(buildah(paths, "run", *options, container, "--", *command), log=log, remedy=REMEDY)
    finally:
        succeeds(buildah(paths, "rm", container))


def pip_settings(paths: Paths) -> Path:
    """pip's settings of this machine for the time of a build; they stay out of the image."""
    lines = ["[global]", f"cert = {AUTHORITIES}"] if AUTHORITIES.is_file() else ["[global]"]
    lines += [f"{key} = {os.environ[name]}" for name, key in PIP_SETTINGS.items() if os.environ.get(name)]
    path = paths.images / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def ignore_file(paths: Paths) -> Path:
    """What must not reach an image even where a copied folder holds it."""
    path = paths.images / "ignore"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("**/__pycache__\n**/*.pyc\n.git\n.venv*\nbuild\n")
    return path


def hand_over(paths: Paths, name: str, tag: str) -> None:
    """Give containerd an image of buildah's storage: a stream of the layers it lacks, uncompressed, nothing on disk."""
    inspected = json.loads(run(buildah(paths, "inspect", "--type", "image", local(name, tag)), remedy=REMEDY))
    manifest, config = inspected["Manifest"].encode(), inspected["Config"].encode()
    digests = [layer["digest"] for layer in json.loads(manifest)["layers"]]
    stored, held = storage.layers(paths.buildah / "storage"), runtime.contents(paths)
    blobs: dict[str, archives.Blob | bytes] = {archives.digest_of(config): config}
    blobs |= {digest: stored[digest] for digest in digests if digest not in held}
    runtime.import_image(paths, (reference(name, tag), reference(name, "dev")), manifest, blobs)


def forget_outdated(paths: Paths) -> None:
    """Drop the images of earlier sources, once nothing is started from them any more: each set takes gigabytes."""
    tags = {"base": BASE_TAG} | catalog.tags(REPOSITORY, BASE_TAG)
    runtime.keep_only(paths, {reference(name, one) for name, tag in tags.items() for one in (tag, "dev")})
    listed = run(buildah(paths, "images", "--format", "{{.Name}}:{{.Tag}}"), remedy=REMEDY).split()
    # What others are built from comes first, and can go only after them.
    for name, tag in reversed(tags.items()):
        for old in {one for one in listed if one.startswith(local(name, ""))} - {local(name, tag)}:
            succeeds(buildah(paths, "rmi", old))
