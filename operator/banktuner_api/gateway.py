"""What a BankingModel asks of its gateway: access, guards, conversations, documents. A block is one part's settings."""

from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import URI_RULE, ApiModel, Digest, LocalRef, SecretName, SecretRef, Uri, cel

REJECTION = (
    "I'm specialized in banking services only. I can help with accounts, transactions, fees, loans, and cards. "
    "Please ask a banking question."
)
ASSISTANT = "BankingAssistant-v1.0"
Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s@]+$")]
LONGEST_NAME = 253
"""Characters of a caller's or a group's name. Who has a longer one is not let in: no record could name it."""
Group = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
PublicValue = Annotated[str, Field(min_length=4, max_length=64)]


class Jwt(ApiModel):
    """Tokens signed by the bank's identity provider."""

    issuer: Url
    audience: Annotated[str, Field(min_length=1, max_length=253)]
    jwks_uri: Url
    groups_claim: Annotated[str, Field(min_length=1, max_length=253)] = "groups"
    """Claim with the list of the caller's groups."""


class AccessRule(ApiModel):
    """An adapter that not everybody may use. Adapters without a rule are everybody's."""

    adapter: Annotated[str, Field(min_length=1, max_length=40)]
    groups: Annotated[list[Group], Field(min_length=1, max_length=64)]
    """A caller with hashed token has one group: its own name."""


class RateLimit(ApiModel):
    """Of each caller."""

    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 60
    burst: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Requests at once after a pause."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Requests being answered at the same time."""


class Classifier(ApiModel):
    """A Classification artifact with its ONNX export: exactly one of uri (with digest), fineTuneJob."""

    model_config = cel(
        ("has(self.uri) != has(self.fineTuneJob)", "exactly one of uri and fineTuneJob is needed"),
        ("has(self.uri) == has(self.digest)", "uri and digest go together"),
        URI_RULE,
    )

    fine_tune_job: LocalRef | None = None
    uri: Uri | None = None
    digest: Digest | None = None
    secret_ref: SecretRef | None = None


class Scope(ApiModel):
    """Banking or not. Without a classifier the system prompt alone keeps the assistant in scope."""

    model_config = cel(
        (
            "!has(self.thresholdPercent) || has(self.classifier)",
            "scope.thresholdPercent needs scope.classifier, whose scores it bounds: name one, or leave it out",
        )
    )

    classifier: Classifier | None = None
    threshold_percent: Annotated[int, Field(ge=1, le=99)] | None = None
    """Out-of-scope score from which a question is refused. Default: the artifact's own, of its validation rows."""
    rejection: Annotated[str, Field(min_length=1, max_length=1024)] = REJECTION
    """What is answered then."""
    model_name: Annotated[str, Field(min_length=1, max_length=63)] = ASSISTANT
    """`model` in the answers of /api/v1/chat/."""
    system_prompt: Annotated[str, Field(max_length=8192)] | None = None
    """What the model is told first, instead of the built-in text; {assistant} and {rejection} stand for those above.
    The empty text: it is told nothing, and then only a classifier keeps the scope."""


class Entity(ApiModel):
    """A kind of personal data beyond the built-in ones, such as a bank's own customer numbers."""

    model_config = cel(
        (
            "!''.matches(self.pattern)",
            "privacy.entities: pattern must not match the empty text: it would be found everywhere",
        )
    )

    name: Annotated[str, Field(max_length=32, pattern=r"^[A-Z][A-Z0-9_]{0,31}$")]
    pattern: Annotated[str, Field(min_length=1, max_length=512)]
    """Regular expression of RE2's syntax: no look-around, no back-references."""


class Source(ApiModel):
    """A folder in an object store."""

    model_config = cel(URI_RULE)

    uri: Uri
    secret_ref: SecretRef | None = None


class Privacy(ApiModel):
    """Personal data."""

    model_config = cel(
        (
            "!has(self.names) || self.maskInput || self.maskOutput",
            "privacy.names needs maskInput or maskOutput: set one of them, or leave names out",
        )
    )

    mask_input: bool = True
    """Placeholders instead of it reach the model; answers to the same conversation have it put back."""
    mask_output: bool = True
    """What the model says of its own is masked."""
    entities: Annotated[list[Entity], Field(max_length=32)] = []
    names: Source | None = None
    """Folder of an ONNX token classifier with the label PER or PERSON: model.onnx or onnx/model.onnx, tokenizer.json,
    config.json. Without it people's names are not masked."""
    allow: Annotated[list[PublicValue], Field(max_length=64)] = []
    """Values that are nobody's personal data, such as the bank's own telephone numbers and addresses: never masked."""


class Audit(ApiModel):
    """One record a decision, chained by HMAC."""

    model_config = cel(
        URI_RULE,
        (
            "(self.sink == 'ObjectStore') == has(self.uri)",
            "audit.uri goes with sink ObjectStore, which needs it: give the folder for the records, or change the sink",
        ),
        (
            "!has(self.secretRef) || self.sink == 'ObjectStore'",
            "audit.secretRef goes with sink ObjectStore only: leave it out",
        ),
        (
            "(self.sink == 'Volume') == has(self.claimName)",
            "audit.claimName goes with sink Volume, which needs it: name a PersistentVolumeClaim, or change the sink",
        ),
        (
            "self.sink == 'Stdout' || has(self.keySecretRef)",
            "audit.keySecretRef is needed for sinks Volume and ObjectStore: name a Secret with the key `key`,"
            " or nobody can verify the records",
        ),
    )

    sink: Literal["Stdout", "Volume", "ObjectStore"] = "Stdout"
    uri: Uri | None = None
    """Folder for the records. ObjectStore only."""
    secret_ref: SecretRef | None = None
    claim_name: SecretName | None = None
    """PersistentVolumeClaim of this namespace for the records. Volume only. Several gateway pods need ReadWriteMany."""
    key_secret_ref: SecretRef | None = None
    """Secret with the key `key` of the HMAC, at least 32 bytes."""


class Conversations(ApiModel):
    """History that a question is answered with."""

    model_config = cel(
        (
            "(self.store == 'Redis') == has(self.redisSecretRef)",
            "conversations.redisSecretRef goes with store Redis, which needs it: name a Secret with the key `url`,"
            " or change the store",
        )
    )

    store: Literal["Memory", "Redis"] = "Memory"
    redis_secret_ref: SecretRef | None = None
    """Secret with the key `url`. Redis only."""
    max_turns: Annotated[int, Field(ge=1, le=100)] = 20
    max_tokens: Annotated[int, Field(ge=64, le=1_048_576)] = 2048
    """Of the history; the oldest turns are left out first."""
    ttl_seconds: Annotated[int, Field(ge=60, le=7_776_000)] = 3600


class VectorStore(ApiModel):
    """Where the documents' vectors are."""

    model_config = cel(
        (
            "(self.type == 'FAISS') != has(self.url)",
            "vectorStore.url goes with every type but FAISS, which has no server: give the server's, or leave it out",
        ),
        (
            "self.type != 'FAISS' || !has(self.secretRef)",
            "vectorStore.secretRef does not go with type FAISS, which has no server: leave it out",
        ),
        (
            "self.type != 'Pinecone' || has(self.secretRef)",
            "vectorStore.secretRef is needed for type Pinecone: name a Secret with the key `apiKey`",
        ),
    )

    type: Literal["FAISS", "Chroma", "Milvus", "Weaviate", "Qdrant", "Pinecone"] = "FAISS"
    url: Url | None = None
    """Of the server; FAISS has none."""
    collection: Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")] = "banktuner"
    """On a server that several BankingModels share, each needs a collection of its own."""
    secret_ref: SecretRef | None = None
    """Secret with the key `apiKey`."""


class Knowledge(ApiModel):
    """The bank's documents, which answers are to rest on."""

    documents: Source
    """Markdown, text, HTML, PDF. The index is kept below it in `.banktuner/`, so its Secret must allow writing."""
    embedding: Source
    """Folder of an ONNX sentence encoder: onnx/model.onnx and tokenizer.json. Another encoder needs another folder."""
    vector_store: VectorStore = VectorStore()
    top_k: Annotated[int, Field(ge=1, le=20)] = 4
    """Passages that a question is answered with."""
    refresh_seconds: Annotated[int, Field(ge=60, le=2_592_000)] = 3600
    """How long after one look at the documents the next one begins. Where nothing changed, nothing is written."""
