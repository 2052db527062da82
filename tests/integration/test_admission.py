"""The chart's admission policy: who names a Secret must be allowed to read it."""

import json
from typing import Any

import pytest

from banktuner_operator.cluster.client import ApiError, Client, path
from tests.integration.controlplane import ControlPlane, binary
from tests.integration.kubelet import DIGEST, Cluster, eventually, job_spec, model_spec
from tests.integration.test_process import rendered

POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


@pytest.fixture(scope="module")
def policies(control_plane: ControlPlane) -> Any:
    if binary("helm") is None:
        pytest.skip("helm not found: `make up` builds it")
    wanted = [document for document in rendered() if document["kind"] in POLICIES]
    editor = [document for document in rendered() if document["metadata"]["name"] == "banktuner-editor"]
    text = "\n---\n".join(json.dumps(document) for document in [*wanted, *editor])
    applied = control_plane.kubectl("apply", "-f", "-", stdin=text)
    assert applied.returncode == 0, applied.stderr
    yield
    control_plane.kubectl("delete", "-f", "-", stdin="\n---\n".join(json.dumps(document) for document in wanted))


@pytest.fixture
async def user(cluster: Cluster, control_plane: ControlPlane, policies: None, tmp_path) -> Any:
    """A client of somebody who may edit our kinds and get the Secret `s3`, and nothing else."""
    run = lambda *words: control_plane.kubectl("-n", cluster.namespace, *words)  # noqa: E731
    account = f"{cluster.namespace}:dev"
    run("create", "serviceaccount", "dev")
    run("create", "rolebinding", "edit", "--clusterrole=banktuner-editor", f"--serviceaccount={account}")
    run("create", "role", "s3", "--verb=get", "--resource=secrets", "--resource-name=s3", "--resource-name=tokens")
    run("create", "rolebinding", "s3", "--role=s3", f"--serviceaccount={account}")
    config = json.loads(control_plane.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = run("create", "token", "dev").stdout.strip()
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    async with await Client.connect(str(tmp_path / "kubeconfig")) as client:
        made = Cluster(client, cluster.namespace)

        async def enforced() -> bool:
            try:
                await made.create(
                    "FineTuneJob", "probe", job_spec(output={"uri": "s3://bank/x", "secretRef": {"name": "no"}})
                )
            except ApiError as error:
                return "may not get" in error.message
            await cluster.delete("FineTuneJob", "probe")
            return False

        await eventually(enforced, "the policy is enforced")
        yield made


async def test_readable_secrets_may_be_named(user: Cluster) -> None:
    await user.create("FineTuneJob", "card", job_spec())
    await user.create("BankingModel", "assistant", model_spec())


SALARIES = {"secretRef": {"name": "salaries"}}


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"uri": "s3://bank/m"} | SALARIES},
        {"dataset": {"uri": "s3://bank/d.csv"} | SALARIES},
        {"output": {"uri": "s3://bank/o"} | SALARIES},
        {"evaluation": {"encoder": {"uri": "s3://bank/e"} | SALARIES}},
        {"tracking": {"mlflow": {"uri": "http://mlflow:5000"} | SALARIES}},
        {"tracking": {"wandb": {"project": "bank"} | SALARIES}},
    ],
)
async def test_other_secrets_of_a_job_may_not(user: Cluster, change: dict[str, Any]) -> None:
    spec = job_spec(**change)
    with pytest.raises(ApiError, match='Secret "salaries"') as refusal:
        await user.create("FineTuneJob", "card", spec)
    assert refusal.value.status == 403


TOKENS = {"auth": {"tokensSecretRef": {"name": "tokens"}}}


def gateway_blocks(secret: dict[str, str]) -> list[dict[str, Any]]:
    """Each field of spec.gateway that may name a Secret, in the least that the schema takes around it."""
    place = {"uri": "s3://bank/x"}
    digest = {"digest": DIGEST}
    store = {"sink": "ObjectStore", "uri": "s3://bank/audit", "keySecretRef": {"name": "tokens"}}
    knowledge = {"documents": place, "embedding": place}
    server = {"type": "Qdrant", "url": "https://qdrant.bank.svc:6333", "secretRef": secret}
    return [
        {"scope": {"classifier": place | digest | {"secretRef": secret}}},
        {"audit": {"keySecretRef": secret}},
        {"audit": store | {"secretRef": secret}},
        {"conversations": {"store": "Redis", "redisSecretRef": secret}},
        {"knowledge": knowledge | {"documents": place | {"secretRef": secret}}},
        {"knowledge": knowledge | {"embedding": place | {"secretRef": secret}}},
        {"knowledge": knowledge | {"vectorStore": server}},
    ]


async def test_other_secrets_of_a_model_may_not(user: Cluster) -> None:
    adapter = {"name": "a", "uri": "s3://bank/a", "digest": DIGEST, "secretRef": {"name": "salaries"}}
    for change in (
        {"model": {"uri": "s3://bank/m", "secretRef": {"name": "salaries"}}},
        {"gateway": {"auth": {"tokensSecretRef": {"name": "salaries"}}}},
        {"adapters": [adapter]},
        *({"gateway": TOKENS | block} for block in gateway_blocks({"name": "salaries"})),
    ):
        with pytest.raises(ApiError, match='Secret "salaries"'):
            await user.create("BankingModel", "assistant", model_spec(**change))


def together(one: Any, other: Any) -> Any:
    """Two specs in one."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return one | {name: together(one.get(name), content) for name, content in other.items()}


async def test_a_gateway_may_name_all_its_secrets_at_once(cluster: Cluster, policies: None) -> None:
    gateway: dict[str, Any] = TOKENS
    for number, block in enumerate(gateway_blocks({"name": "x"})):
        gateway = together(gateway, json.loads(json.dumps(block).replace('"x"', f'"s{number}"')))
    assert sum(f'"s{number}"' in json.dumps(gateway) for number in range(7)) >= 6
    await cluster.create("BankingModel", "assistant", model_spec(gateway=gateway))


async def test_a_claim_is_for_those_who_may_change_it(user: Cluster, control_plane: ControlPlane) -> None:
    audit = {"sink": "Volume", "claimName": "ledger", "keySecretRef": {"name": "s3"}}
    with pytest.raises(ApiError, match='PersistentVolumeClaim "ledger"') as refusal:
        await user.create("BankingModel", "assistant", model_spec(gateway=TOKENS | {"audit": audit}))
    assert refusal.value.status == 403
    run = lambda *words: control_plane.kubectl("-n", user.namespace, *words)  # noqa: E731
    run("create", "role", "ledger", "--verb=update", "--resource=persistentvolumeclaims", "--resource-name=ledger")
    run("create", "rolebinding", "ledger", "--role=ledger", f"--serviceaccount={user.namespace}:dev")

    async def taken() -> bool:
        try:
            await user.create("BankingModel", "assistant", model_spec(gateway=TOKENS | {"audit": audit}))
        except ApiError:
            return False
        return True

    await eventually(taken, "the right to the claim counts")
    await user.patch("BankingModel", "assistant", {"spec": {"replicas": 2}})


async def test_what_was_there_before_may_stay(cluster: Cluster, user: Cluster) -> None:
    spec = job_spec(output={"uri": "s3://bank/x", "secretRef": {"name": "salaries"}})
    await cluster.create("FineTuneJob", "card", spec)  # by somebody who may
    await user.patch("FineTuneJob", "card", {"spec": {"suspend": True}})


async def test_many_adapters_with_few_secrets_are_affordable(user: Cluster) -> None:
    adapters = [
        {
            "name": f"a{index}",
            "uri": "s3://bank/a",
            "digest": DIGEST,
            "secretRef": {"name": ("s3", "tokens")[index % 2]},
        }
        for index in range(64)
    ]
    await user.create("BankingModel", "assistant", model_spec(adapters=adapters))


async def test_too_many_new_secrets_at_once(cluster: Cluster, policies: None) -> None:
    adapters = [
        {"name": f"a{index}", "uri": "s3://bank/a", "digest": DIGEST, "secretRef": {"name": f"s{index}"}}
        for index in range(13)
    ]

    async def refused() -> bool:
        try:
            await cluster.create("BankingModel", "assistant", model_spec(adapters=adapters))
        except ApiError as error:
            return "12 new Secrets at most" in error.message
        await cluster.delete("BankingModel", "assistant")
        return False

    await eventually(refused, "the refusal")


async def test_status_is_not_the_users(user: Cluster) -> None:
    await user.create("FineTuneJob", "card", job_spec())
    where = path("FineTuneJob", user.namespace, "card") + "/status"
    with pytest.raises(ApiError) as refusal:
        await user.client.call("PATCH", where, {}, {"status": {"phase": "Succeeded"}}, "application/merge-patch+json")
    assert refusal.value.status == 403
