"""Who a child belongs to: labels, owner reference, and the hash that tells whether a child is what we want."""

import hashlib
import json
from dataclasses import dataclass

from banktuner_api import names
from banktuner_api.common import Json

APPLIED_ANNOTATION = f"{names.GROUP}/applied"
TEMPLATE_ANNOTATION = f"{names.GROUP}/template"
CONFIG_ANNOTATION = f"{names.GROUP}/config"
"""Stands for the settings that something was made with; another value makes it anew."""


@dataclass(frozen=True)
class Owner:
    """The custom resource that a child belongs to."""

    kind: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, resource: Json) -> "Owner":
        """The owner that a live custom resource is."""
        meta = resource["metadata"]
        return cls(resource["kind"], meta["namespace"], meta["name"], meta["uid"])

    def child(self, suffix: str) -> str:
        """Deterministic name of a child."""
        return names.child_name(self.name, self.uid, suffix)

    def selector(self, component: str) -> dict[str, str]:
        """Labels that pick the pods of one component."""
        return {names.LABEL_OWNER_UID: self.uid, names.LABEL_COMPONENT: component}

    def labels(self, component: str) -> dict[str, str]:
        """Labels of a child."""
        return self.selector(component) | {
            names.LABEL_MANAGED_BY: names.MANAGED_BY,
            names.LABEL_NAME: "banktuner",
            names.LABEL_INSTANCE: self.name,
            names.LABEL_OWNER_KIND: self.kind,
        }

    def metadata(self, name: str, component: str) -> Json:
        """metadata of a child, with the owner as its controller."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(component),
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": self.kind,
                    "name": self.name,
                    "uid": self.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        }


def digest(content: object) -> str:
    """Sixteen hex digits that stand for some JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stamped(child: Json) -> Json:
    """The child with a hash of itself as annotation, so that a field taken out of it is noticed too."""
    meta = child["metadata"]
    annotations = meta.get("annotations", {}) | {APPLIED_ANNOTATION: digest(child)}
    return child | {"metadata": meta | {"annotations": annotations}}
