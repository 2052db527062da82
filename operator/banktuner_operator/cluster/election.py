"""Leader election by a Lease: one of several replicas reconciles; all of them answer the agent API."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from banktuner_api.common import Json
from banktuner_operator.cluster.client import ApiError, Client
from banktuner_operator.plan.types import moment

log = logging.getLogger(__name__)
LEASE_SECONDS = 15
RENEW_SECONDS = 5.0


class LeadershipLostError(Exception):
    """Another replica leads now, or the API server could not be reached for the length of a lease."""


@dataclass
class Election:
    """One candidate for one Lease. `identity` is the pod's name."""

    client: Client
    namespace: str
    name: str
    identity: str
    clock: Callable[[], datetime]

    async def acquire(self) -> None:
        """Wait until this replica leads."""
        while not await self._attempt():
            await asyncio.sleep(RENEW_SECONDS)
        log.info("leading as %s", self.identity)

    async def hold(self) -> None:
        """Renew until cancelled. Raises LeadershipLostError."""
        renewed = self.clock()
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if await self._attempt():
                renewed = self.clock()
            elif self.clock() - renewed > timedelta(seconds=LEASE_SECONDS - RENEW_SECONDS):
                raise LeadershipLostError(self.identity)

    async def release(self) -> None:
        """Let the next replica lead at once."""
        lease = await self.client.get("Lease", self.namespace, self.name)
        if lease and lease["spec"].get("holderIdentity") == self.identity:
            await self.client.replace(lease | {"spec": lease["spec"] | {"holderIdentity": ""}})

    async def _attempt(self) -> bool:
        try:
            lease = await self.client.get("Lease", self.namespace, self.name)
            if lease is None:
                await self.client.create(self._lease({}))
            elif self._free(lease):
                await self.client.replace(lease | {"spec": self._spec(lease["spec"])})
            else:
                return False
        except ApiError as error:
            log.warning("lease %s/%s: %s", self.namespace, self.name, error)
            return False
        return True

    def _free(self, lease: Json) -> bool:
        spec = lease["spec"]
        if spec.get("holderIdentity") in (None, "", self.identity):
            return True
        renewed = moment(spec["renewTime"])
        return self.clock() - renewed > timedelta(seconds=spec.get("leaseDurationSeconds", LEASE_SECONDS))

    def _lease(self, before: Json) -> Json:
        metadata = {"name": self.name, "namespace": self.namespace}
        kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        return kind | {"metadata": metadata, "spec": self._spec(before)}

    def _spec(self, before: Json) -> Json:
        now = self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        taken = before.get("holderIdentity") != self.identity
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now,
            "acquireTime": now if taken else before.get("acquireTime", now),
            "leaseTransitions": before.get("leaseTransitions", 0) + int(taken),
        }
