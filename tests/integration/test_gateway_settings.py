"""spec.gateway against a real API server: what it refuses, and what the operator makes of the rest."""

import json
from datetime import timedelta
from typing import Any

import pytest

from banktuner_api import names
from banktuner_operator.cluster.client import ApiError
from tests.integration.kubelet import DIGEST, Cluster, Json, condition_of, job_spec, model_spec
from tests.integration.test_bankingmodel import KIND, finish_job

TOKENS: Json = {"auth": {"tokensSecretRef": {"name": "tokens"}}}
JWT: Json = {"issuer": "https://id.bank", "audience": "assistant", "jwksUri": "https://id.bank/keys"}
S3: Json = {"name": "s3"}
KEY: Json = {"name": "audit-key"}
KNOWLEDGE: Json = {
    "documents": {"uri": "s3://bank/policies", "secretRef": S3},
    "embedding": {"uri": "s3://bank/minilm", "secretRef": S3},
}
WEALTH: Json = {"name": "wealth", "uri": "s3://bank/wealth", "digest": DIGEST, "secretRef": S3}
FULL: Json = TOKENS | {
    "access": [{"adapter": "wealth", "groups": ["advisers"]}],
    "scope": {
        "classifier": {"uri": "s3://bank/intents", "digest": DIGEST, "secretRef": S3},
        "thresholdPercent": 50,
    },
    "privacy": {
        "maskOutput": False,
        "entities": [{"name": "CUSTOMER", "pattern": r"\bC[0-9]{8}\b"}],
        "names": {"uri": "s3://bank/names", "secretRef": {"name": "models"}},
    },
    "audit": {"sink": "ObjectStore", "uri": "s3://bank/audit", "secretRef": S3, "keySecretRef": KEY},
    "conversations": {"store": "Redis", "redisSecretRef": {"name": "redis"}, "maxTurns": 10},
    "rateLimit": {"requestsPerMinute": 30, "burst": 5},
    "knowledge": KNOWLEDGE,
}


def vector_store(**store: Any) -> Json:
    return {"knowledge": KNOWLEDGE | {"vectorStore": store}}


@pytest.mark.parametrize(
    "blocks",
    [
        {},
        FULL,
        {"auth": {"jwt": JWT}},
        {"audit": {"sink": "Volume", "claimName": "audit", "keySecretRef": KEY}},
        {"audit": {"keySecretRef": KEY}},
        {"scope": {"systemPrompt": ""}},
        vector_store(type="Qdrant", url="https://qdrant.bank.svc:6333"),
        vector_store(type="Pinecone", url="https://x.pinecone.io", secretRef={"name": "pinecone"}),
    ],
)
async def test_settings_that_are_taken(cluster: Cluster, blocks: Json) -> None:
    await cluster.create(KIND, "assistant", model_spec(gateway=TOKENS | blocks, adapters=[WEALTH]))
    live = await cluster.get(KIND, "assistant")
    assert live["spec"]["gateway"]["rateLimit"]["concurrency"] == 8, "a default of the schema"
    assert live["spec"]["gateway"]["scope"]["modelName"] == "BankingAssistant-v1.0", "a default of the schema"
    await cluster.until(KIND, "assistant", "Accepted", "True")


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ({"auth": {}}, "auth: exactly one of tokensSecretRef and jwt"),
        ({"auth": TOKENS["auth"] | {"jwt": JWT}}, "auth: exactly one of tokensSecretRef and jwt"),
        ({"auth": {"jwt": JWT | {"jwksUri": "file:///keys"}}}, "spec.gateway.auth.jwt.jwksUri"),
        ({"access": [{"adapter": "cards", "groups": ["all"]}]}, "gateway.access: every rule's adapter"),
        ({"access": [{"adapter": "wealth", "groups": []}]}, "spec.gateway.access[0].groups"),
        ({"scope": {"thresholdPercent": 50}}, "scope.thresholdPercent needs scope.classifier"),
        ({"scope": {"classifier": {}}}, "exactly one of uri and fineTuneJob"),
        ({"scope": {"classifier": {"uri": "s3://bank/intents"}}}, "uri and digest go together"),
        ({"privacy": {"entities": [{"name": "X", "pattern": "C*"}]}}, "must not match the empty text"),
        ({"privacy": {"entities": [{"name": "X", "pattern": "(?=C)"}]}}, "spec.gateway.privacy.entities[0]"),
        ({"privacy": {"names": {"secretRef": S3}}}, "spec.gateway.privacy.names.uri"),
        ({"privacy": {"maskInput": False, "maskOutput": False, "names": {"uri": "s3://b-b/x"}}}, "privacy.names needs"),
        ({"privacy": {"entities": [{"name": "X", "pattern": "("}]}}, "spec.gateway.privacy.entities[0]"),
        ({"audit": {"sink": "ObjectStore", "keySecretRef": KEY}}, "audit.uri goes with sink ObjectStore"),
        ({"audit": {"uri": "s3://bank/audit"}}, "audit.uri goes with sink ObjectStore"),
        ({"audit": {"secretRef": S3}}, "audit.secretRef goes with sink ObjectStore only"),
        ({"audit": {"sink": "Volume", "keySecretRef": KEY}}, "audit.claimName goes with sink Volume"),
        ({"audit": {"claimName": "audit"}}, "audit.claimName goes with sink Volume"),
        ({"audit": {"sink": "Volume", "claimName": "audit"}}, "audit.keySecretRef is needed"),
        ({"audit": {"sink": "ObjectStore", "uri": "s3://b-b/../x", "keySecretRef": KEY}}, "must not contain '..'"),
        ({"conversations": {"store": "Redis"}}, "conversations.redisSecretRef goes with store Redis"),
        ({"conversations": {"redisSecretRef": S3}}, "conversations.redisSecretRef goes with store Redis"),
        (vector_store(type="FAISS", url="https://x"), "vectorStore.url goes with every type but FAISS"),
        (vector_store(type="Milvus"), "vectorStore.url goes with every type but FAISS"),
        (vector_store(secretRef=S3), "vectorStore.secretRef does not go with type FAISS"),
        (vector_store(type="Pinecone", url="https://x"), "vectorStore.secretRef is needed for type Pinecone"),
        ({"knowledge": {"documents": {"uri": "s3://bank/policies"}}}, "spec.gateway.knowledge.embedding"),
        ({"knowledge": KNOWLEDGE | {"refreshSeconds": 1}}, "spec.gateway.knowledge.refreshSeconds"),
        ({"guard": {}}, 'unknown field "spec.gateway.guard"'),
    ],
)
async def test_settings_that_are_refused(cluster: Cluster, blocks: Json, words: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await cluster.create(KIND, "assistant", model_spec(gateway=TOKENS | blocks, adapters=[WEALTH]))
    assert words in refusal.value.message


async def gateway_pod(cluster: Cluster) -> Json:
    found = await cluster.list("Deployment")
    (made,) = [one for one in found if one["metadata"]["labels"][names.LABEL_COMPONENT] == "gateway"]
    template: Json = made["spec"]["template"]
    return template


def told(template: Json) -> Json:
    config: Json = json.loads(template["metadata"]["annotations"]["banktuner.dev/gateway.json"])
    return config


async def test_a_full_gateway_settles(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec(gateway=FULL, adapters=[WEALTH]))
    await cluster.reconcile(KIND, "assistant")
    kinds = ("ConfigMap", "Deployment", "Service", "NetworkPolicy", "Job")
    before = {one["metadata"]["name"]: one["metadata"]["generation"] for one in await cluster.list("Deployment")}
    count = {kind: len(await cluster.list(kind)) for kind in kinds}
    assert count == {"ConfigMap": 1, "Deployment": 2, "Service": 2, "NetworkPolicy": 3, "Job": 1}
    await cluster.reconcile(KIND, "assistant")
    after = {one["metadata"]["name"]: one["metadata"]["generation"] for one in await cluster.list("Deployment")}
    assert after == before
    template = await gateway_pod(cluster)
    assert told(template)["classifier"]["digest"] == DIGEST
    assert told(template)["nameModel"]["uri"] == "s3://bank/names"
    (stage,) = template["spec"]["initContainers"]
    assert [keys["secretRef"]["name"] for keys in stage["envFrom"]] == ["models", "s3"]


async def test_a_gateway_waits_for_its_classifier(cluster: Cluster) -> None:
    scope = {"classifier": {"fineTuneJob": {"name": "intents"}}}
    await cluster.create(KIND, "assistant", model_spec(gateway=TOKENS | {"scope": scope}))
    waiting = await cluster.until(KIND, "assistant", "GatewayReady", "False", "WaitingForClassifier")
    assert "'intents' does not exist" in condition_of(waiting, "GatewayReady")["message"]
    assert len(await cluster.list("Deployment")) == 1
    await finish_job(cluster, "intents", job_spec(), task="Classification", servedAs="Classifier", rank=None)
    await cluster.reconcile(KIND, "assistant")
    first = await gateway_pod(cluster)
    (stage,) = first["spec"]["initContainers"]
    assert stage["envFrom"][0]["secretRef"]["name"] == "s3"
    await cluster.delete("FineTuneJob", "intents")
    await cluster.reconcile(KIND, "assistant")
    assert await gateway_pod(cluster) == first


async def test_an_adapter_is_no_classifier(cluster: Cluster) -> None:
    await finish_job(cluster, "cards")
    scope = {"classifier": {"fineTuneJob": {"name": "cards"}}}
    await cluster.create(KIND, "assistant", model_spec(gateway=TOKENS | {"scope": scope}))
    await cluster.until(KIND, "assistant", "GatewayReady", "False", "ClassifierNotUsable")


async def end_index(cluster: Cluster, exit_code: int, message: str = "", beside: str = "") -> str:
    pod = await cluster.pod("index", beside)
    ended = {"terminated": {"exitCode": exit_code, "message": message, "reason": "Completed"}}
    status = {"name": "index", "state": ended, "ready": False, "restartCount": 0, "image": "", "imageID": ""}
    phase = "Failed" if exit_code else "Succeeded"
    name = str(pod["metadata"]["name"])
    await cluster.patch("Pod", name, {"status": {"phase": phase, "containerStatuses": [status]}}, "status")
    return name


async def test_documents_are_indexed_by_one_job_at_a_time(cluster: Cluster) -> None:
    blocks = TOKENS | {"knowledge": KNOWLEDGE | {"refreshSeconds": 3600}}
    await cluster.create(KIND, "assistant", model_spec(gateway=blocks))
    await cluster.until(KIND, "assistant", "KnowledgeReady", "False", "Indexing")
    (first,) = await cluster.list("Job")
    failure = {"reason": "NoDocuments", "message": "none could be read", "field": "knowledge.documents.uri"}
    pod = await end_index(cluster, 65, json.dumps(failure))
    failed = await cluster.until(KIND, "assistant", "KnowledgeReady", "False", "NoDocuments")
    assert "spec.gateway.knowledge.documents.uri" in condition_of(failed, "KnowledgeReady")["message"]
    assert [job["metadata"]["uid"] for job in await cluster.list("Job")] == [first["metadata"]["uid"]]
    cluster.clock.ahead += timedelta(minutes=3)
    await cluster.reconcile(KIND, "assistant")
    assert len(await cluster.list("Job")) == 2
    await end_index(cluster, 0, beside=pod)
    await cluster.until(KIND, "assistant", "KnowledgeReady", "True", "Indexed")
    await cluster.reconcile(KIND, "assistant")
    (second,) = await cluster.list("Job")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
