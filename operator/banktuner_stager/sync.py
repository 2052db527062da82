"""`sync`: keeps an engine's adapters as desired, each in its own steps, and tells what was proved.

Level-triggered: each round asks the engine and the disk, decides (decide.py) and starts the steps that are due in
threads, so that one adapter's trouble never delays another's.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from banktuner_api.bankingmodel import AdapterState, InstanceAdapter
from banktuner_api.common import Digest
from banktuner_api.serving import DesiredAdapter, DesiredState, Observed
from banktuner_stager.adapter import Limits, fetch_adapter, open_adapter
from banktuner_stager.chat_template import NO_TEMPLATE, template_digest
from banktuner_stager.decide import Action, Step, World, decide
from banktuner_stager.engine import AdapterEngine, EngineBusyError, EngineError
from banktuner_stager.paths import ADAPTERS_READY, Paths
from banktuner_stager.store import StoreError
from banktuner_stager.trouble import Trouble, trouble_of
from banktuner_stager.waiting import give_up

LOG = logging.getLogger("banktuner.stager")

ROUND_SECONDS = 2.0
"""Longest pause between two looks at the engine: how soon its restart is seen."""
THREADS = 8


@dataclass
class Sync:
    """One engine pod. `tell` takes what is observed whenever it changed."""

    desired: DesiredState
    paths: Paths
    engine: AdapterEngine
    base_digest: Digest
    pod: str
    environment: Mapping[str, str]
    tell: Callable[[Observed], None]
    clock: Callable[[], float] = time.monotonic
    _proven: set[str] = field(default_factory=set)
    _busy: set[str] = field(default_factory=set)
    _troubles: dict[str, Trouble] = field(default_factory=dict)
    _seen_at: dict[str, float] = field(default_factory=dict)
    _load_seconds: dict[str, float] = field(default_factory=dict)
    _loaded: frozenset[str] | None = None
    _observed: Observed | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _wake: threading.Event = field(default_factory=threading.Event)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "adapter"))

    def __post_init__(self) -> None:
        self.paths.adapters.mkdir(parents=True, exist_ok=True)
        for left in self.paths.adapters.glob("*.tmp"):
            shutil.rmtree(left)
        self.want(self.desired)

    def want(self, desired: DesiredState) -> None:
        """A new desired state; the clock of each new adapter version starts here."""
        with self._lock:
            self.desired = desired
            names = {adapter.served_name for adapter in desired.versions}
            self._seen_at = {name: self._seen_at.get(name, self.clock()) for name in names}
            self._troubles = {name: trouble for name, trouble in self._troubles.items() if name in names}
        self._wake.set()

    def run(self) -> None:
        """Rounds without end."""
        while True:
            self._wake.clear()
            self.round()
            self._wake.wait(ROUND_SECONDS)

    def round(self) -> None:
        """Look, decide, start what is due, tell what is so."""
        with self._lock:
            busy = frozenset(self._busy)  # a step that ends while the engine is asked makes its answer stale
        self._look()
        with self._lock:
            adapters = {adapter.served_name: adapter for adapter in self.desired.versions}
            for action in decide(self._world(busy)):
                self._busy.add(action.served_name)
                self._pool.submit(self._work, action, adapters.get(action.served_name))
            self._tell()

    def _look(self) -> None:
        try:
            loaded: frozenset[str] | None = self.engine.loaded(self._on_disk())
        except EngineBusyError:
            return  # a busy engine is not a restarted one: what was known holds
        except EngineError as error:
            if self._loaded is not None:
                LOG.warning("the engine is away: %s", error)
            loaded = None
        with self._lock:
            self._loaded = loaded
            self._proven &= loaded or frozenset()

    def _world(self, busy: frozenset[str]) -> World:
        now = self.clock()
        return World(
            desired={adapter.name: adapter.served_name for adapter in self.desired.adapters},
            loaded=self._loaded,
            on_disk=self._on_disk(),
            proven=frozenset(self._proven),
            busy=busy | self._busy,
            held=frozenset(name for name, trouble in self._troubles.items() if trouble.until > now),
            static=self.engine.static,
            canaries=tuple(adapter.served_name for adapter in self.desired.canaries),
        )

    def _on_disk(self) -> frozenset[str]:
        return frozenset(path.name for path in self.paths.adapters.iterdir() if path.suffix != ".tmp")

    def _work(self, action: Action, adapter: DesiredAdapter | None) -> None:
        started = self.clock()
        try:
            self._take(action, adapter)
        except Exception as error:
            self._failed(action, error)
        else:
            LOG.info("%s %s took %.2f s", action.step.value, action.served_name, self.clock() - started)
            self._succeeded(action)
        with self._lock:
            self._busy.discard(action.served_name)
        self._wake.set()

    def _take(self, action: Action, adapter: DesiredAdapter | None) -> None:
        place = self.paths.adapters / action.served_name
        if action.step is Step.FETCH and adapter is not None:
            self._fetch(adapter)
        elif action.step is Step.LOAD:
            self.engine.load(action.served_name, place)
        elif action.step is Step.PROVE:
            self.engine.prove(action.served_name)
        elif action.step is Step.UNLOAD:
            self.engine.unload(action.served_name)
        elif action.step is Step.DELETE:
            shutil.rmtree(place)

    def _fetch(self, adapter: DesiredAdapter) -> None:
        source = open_adapter(adapter, self.environment)
        try:
            template = template_digest(self.paths.model) or NO_TEMPLATE
            fetch_adapter(
                adapter, source, self.paths.adapters, Limits(self.desired.max_rank, self.base_digest, template)
            )
        except StoreError as error:
            raise give_up(error, source.location.uri, source.field) from error

    def _succeeded(self, action: Action) -> None:
        name = action.served_name
        with self._lock:
            if action.step is Step.LOAD and self._loaded is not None:
                self._loaded |= {name}
            elif action.step is Step.UNLOAD and self._loaded is not None:
                self._loaded -= {name}
                self._proven.discard(name)
            elif action.step is Step.DELETE:
                self._troubles.pop(name, None)
            elif action.step is Step.PROVE:
                self._prove(name)

    def _prove(self, name: str) -> None:
        self._proven.add(name)
        self._troubles.pop(name, None)
        if name in self._seen_at:
            self._load_seconds.setdefault(name, round(self.clock() - self._seen_at[name], 2))

    def _failed(self, action: Action, error: Exception) -> None:
        with self._lock:
            trouble = trouble_of(error, self._troubles.get(action.served_name), self.clock())
            self._troubles[action.served_name] = trouble
        LOG.warning("%s %s: %s: %s", action.step.value, action.served_name, trouble.reason, trouble.message)

    def _tell(self) -> None:
        observed = Observed(pod=self.pod, adapters=[self._instance(adapter) for adapter in self.desired.versions])
        if observed != self._observed:
            self._observed = observed
            self.tell(observed)
        settled = all(self._settled(adapter.served_name) for adapter in self.desired.versions)
        if settled and self._loaded is not None:
            (self.paths.control / ADAPTERS_READY).touch()

    def _settled(self, served_name: str) -> bool:
        return served_name in self._proven or served_name in self._troubles or self._not_here(served_name)

    def _not_here(self, served_name: str) -> bool:
        """The engine loads at its start only and this pod started without it: the next pod has it."""
        return self.engine.static and served_name not in self._on_disk()

    def _instance(self, adapter: DesiredAdapter) -> InstanceAdapter:
        name = adapter.served_name
        state, reason, message = self._state(name)
        return InstanceAdapter(
            name=adapter.name,
            digest=adapter.digest,
            state=state,
            reason=reason,
            message=message[:1024],
            load_seconds=self._load_seconds.get(name) if state is AdapterState.READY else None,
        )

    def _state(self, served_name: str) -> tuple[AdapterState, str, str]:
        trouble = self._troubles.get(served_name)
        if served_name in self._proven:
            return AdapterState.READY, "", ""
        if trouble is not None:
            return trouble.state, trouble.reason, trouble.message
        if self._not_here(served_name):
            return AdapterState.WAITING, "RolloutPending", "the engine loads adapters at its start: the next pod has it"
        if self._loaded is None:
            return AdapterState.WAITING, "EngineUnavailable", "the engine is starting"
        return AdapterState.LOADING, "", ""
