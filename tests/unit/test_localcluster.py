"""The local cluster's pure parts: which images changed, what its rules leave behind, what the shell is told."""

import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))

from localcluster import archives, catalog, dns, dockerfiles, environment, host, installation, objectstore  # noqa: E402
from localcluster.catalog import Image  # noqa: E402
from localcluster.settings import Paths  # noqa: E402
from localcluster.shell import ClusterError  # noqa: E402

DOCKERFILE = """\
ARG BASE=debian
FROM ${BASE} AS shared
COPY requirements/shared.txt /tmp/
FROM shared AS first
COPY --chown=1:1 app/first \\
     app/common /opt/
FROM debian AS second
COPY --from=first /opt /opt
ADD app/second /opt
FROM debian AS other
COPY app/other /opt
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    for name in ("requirements/shared.txt", "app/first/a.py", "app/common/b.py", "app/second/c.py", "app/other/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def tag(root: Path, target: str, parent: str = "1") -> str:
    return catalog.content_tag(root, Image(target, "Dockerfile", target, {"BASE": "base"}), {"base": parent})


def test_a_target_is_made_of_its_own_chain_of_stages_only() -> None:
    assert dockerfiles.recipe(DOCKERFILE, "first")[1] == ["app/common", "app/first", "requirements/shared.txt"]
    assert {"app/first", "app/second"} <= set(dockerfiles.recipe(DOCKERFILE, "second")[1])
    assert dockerfiles.recipe(DOCKERFILE, None)[1] == ["app/other"]


def test_another_stage_of_the_same_dockerfile_does_not_change_an_image(repository: Path) -> None:
    before = {target: tag(repository, target) for target in ("first", "other")}
    (repository / "Dockerfile").write_text(DOCKERFILE + "USER 10001\n")
    assert tag(repository, "first") == before["first"]
    assert tag(repository, "other") != before["other"]
    (repository / "Dockerfile").write_text(DOCKERFILE.replace("BASE=debian", "BASE=alpine"))
    assert tag(repository, "first") != before["first"]


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(KeyError):
        dockerfiles.recipe(DOCKERFILE, "absent")


def test_a_changed_file_changes_the_images_that_copy_it_and_no_other(repository: Path) -> None:
    before = {target: tag(repository, target) for target in ("first", "second", "other")}
    (repository / "app/first/a.py").write_text("changed")
    after = {target: tag(repository, target) for target in ("first", "second", "other")}
    assert {target for target in before if before[target] != after[target]} == {"first", "second"}


def test_a_renamed_file_and_a_changed_parent_change_the_tag(repository: Path) -> None:
    before = tag(repository, "other")
    assert tag(repository, "other", parent="2") != before
    (repository / "app/other/d.py").rename(repository / "app/other/e.py")
    assert tag(repository, "other") != before


def test_what_python_leaves_behind_changes_no_image(repository: Path) -> None:
    before = tag(repository, "other")
    cached = repository / "app/other/__pycache__/d.cpython-311.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"bytecode")
    assert tag(repository, "other") == before


def test_a_missing_source_is_named_with_a_remedy(repository: Path) -> None:
    (repository / "app/other/d.py").unlink()
    (repository / "app/other").rmdir()
    with pytest.raises(ClusterError, match="app/other") as refused:
        tag(repository, "other")
    assert refused.value.remedy


def test_parents_come_before_the_images_built_from_them() -> None:
    known = {"base"}
    for image in catalog.IMAGES:
        assert set(image.parents.values()) <= known
        known.add(image.name)


def test_every_image_of_the_chart_is_named_by_its_content() -> None:
    references = {image.name: catalog.reference(image.name, "0" * 12) for image in catalog.IMAGES if image.imported}
    values = json.loads(installation.values(references, "10.0.0.1"))["images"]
    assert values["vllm"] == "docker.io/banktuner/vllm-cpu:000000000000"
    assert set(values.values()) == set(references.values())


def test_exports_survive_a_shell(tmp_path: Path) -> None:
    wild = {"A": "plain", "B": "two words; $HOME `id` 'quoted'", "C": ""}
    script = environment.render(wild) + "".join(f'printf "%s\\0" "${name}"\n' for name in wild)
    printed = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.split("\0")[:-1] == list(wild.values())


STORE = objectstore.Store("bucket", "key", "secret", "us-east-1", "http://10.0.0.1:7070")


def test_exports_put_our_programs_first_and_once() -> None:
    once = environment.exports(STORE, Path("/c/kubeconfig"), Path("/c/bin"), "/usr/bin:/bin")
    twice = environment.exports(STORE, Path("/c/kubeconfig"), Path("/c/bin"), once["PATH"])
    assert once == twice
    assert once["PATH"] == "/c/bin:/usr/bin:/bin"
    assert once["KUBECONFIG"] == "/c/kubeconfig"
    assert once["AWS_ENDPOINT_URL"] == "http://10.0.0.1:7070"
    assert once["BANKTUNER_BUCKET"] == "bucket"


def test_keys_of_our_store_are_made_once_and_read_by_their_owner_only(tmp_path: Path) -> None:
    first, second = (objectstore.own_store(Paths(tmp_path)) for _ in range(2))
    assert first == second
    assert len(first.secret_key) >= 30
    assert (Paths(tmp_path).pki / "s3.json").stat().st_mode & 0o077 == 0


def test_a_store_in_the_environment_names_what_is_missing() -> None:
    with pytest.raises(ClusterError, match="BANKTUNER_BUCKET, AWS_SECRET_ACCESS_KEY not set"):
        objectstore.from_environment({"AWS_ACCESS_KEY_ID": "key"})
    full = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "BANKTUNER_BUCKET": "bucket"}
    store = objectstore.from_environment(full)
    assert "AWS_ENDPOINT_URL" not in store.credentials()
    assert store.region == "us-east-1"


def test_a_dns_answer_counts_only_for_its_query_and_with_an_address() -> None:
    asked = dns.query("kubernetes.default", 7)
    assert asked[12:] == b"\x0akubernetes\x07default\x00\x00\x01\x00\x01"
    reply = bytes([0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]) + asked[12:]
    assert dns.says_yes(reply, 7)
    assert not dns.says_yes(reply, 8)
    assert not dns.says_yes(reply[:3] + b"\x83" + reply[4:], 7)
    assert not dns.says_yes(reply[:7] + b"\x00" + reply[8:], 7)
    assert not dns.says_yes(reply[:11], 7)


SAVED = """\
*filter
:INPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:BANKTUNER-INPUT - [0:0]
:DOCKER - [0:0]
-A INPUT -j BANKTUNER-INPUT
-A INPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A INPUT -p tcp -m comment --comment "mentions KUBE-SERVICES" -j DOCKER
-A BANKTUNER-INPUT -i lo -j RETURN
-A KUBE-SERVICES -j REJECT
COMMIT
""".splitlines()


def test_only_our_chains_and_the_jumps_to_them_are_removed() -> None:
    script = host.removal_script("filter", SAVED).splitlines()
    assert [line for line in script if line.startswith("-D")] == [
        "-D INPUT -j BANKTUNER-INPUT",
        '-D INPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    ]
    assert [line for line in script if line.startswith("-X")] == ["-X KUBE-SERVICES", "-X BANKTUNER-INPUT"]
    assert script[0] == "*filter" and script[-1] == "COMMIT"
    assert not any("DOCKER" in line for line in script)


def test_a_table_without_our_chains_is_left_alone() -> None:
    assert host.removal_script("nat", ["*nat", ":PREROUTING ACCEPT [0:0]", "COMMIT"]) == ""


def test_an_archive_holds_the_image_and_only_the_blobs_it_is_given(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    manifest, blobs = archives.program_image(program, {"User": "65535"})
    layer = json.loads(manifest)["layers"][0]["digest"]
    lent = {digest: content for digest, content in blobs.items() if digest != layer}
    sink = io.BytesIO()
    archives.write_archive(sink, ("docker.io/banktuner/pause:dev",), manifest, lent)
    sink.seek(0)
    with tarfile.open(fileobj=sink) as archive:
        names = archive.getnames()
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
    assert archives.blob_name(layer) not in names
    assert archives.blob_name(index["manifests"][0]["digest"]) in names
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "docker.io/banktuner/pause:dev"


def test_the_same_program_gives_the_same_image(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    first = archives.program_image(program, {})[0]
    program.touch()
    assert archives.program_image(program, {})[0] == first


def test_groups_of_pods_may_vanish_while_they_are_read(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "cgroup.procs").write_text("41\n")
    found = host.members(tmp_path)
    assert next(found) == 41
    for name in ("one", "two"):
        shutil.rmtree(tmp_path / name)
    assert list(found) == []


def test_a_group_is_removed_unless_it_is_held(tmp_path: Path) -> None:
    (tmp_path / "held" / "process").mkdir(parents=True)
    with pytest.raises(OSError):
        host.remove_group(tmp_path / "held", deadline=0)
    host.remove_group(tmp_path / "held" / "process", deadline=0)
    host.remove_group(tmp_path / "held", deadline=0)
    host.remove_group(tmp_path / "held", deadline=0)
    assert not (tmp_path / "held").exists()
