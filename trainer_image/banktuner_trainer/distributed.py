"""Several processes that train one model: how they meet, share its weights out, hand it to the first, and part.

One process a GPU (or a pod without GPUs). FSDP2 (`torch.distributed.fsdp.fully_shard`) as accelerate prepares it.
"""

import copy
import logging
import os
import socket
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from transformers import TrainerCallback

from banktuner_api.exit_codes import ExitCode
from banktuner_api.run_config import RunConfig
from banktuner_trainer.checkpoint.state import whole
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.interruption import Interruption
from banktuner_trainer.launcher import PROCESS, processes

logger = logging.getLogger(__name__)

INDEX = "JOB_COMPLETION_INDEX"
"""Which pod of the Job this is; the Job controller sets it."""
MEETING_SECONDS = 1800.0
"""Until the last process is there: its pod may stage longer than ours."""
SILENCE_SECONDS = 1800.0
"""Until a process that says nothing within a step is given up."""
PARTING_SECONDS = 30.0
POLL_SECONDS = 0.5
_DONE, _LEFT = "done", "left"


class HelpedError(Exception):
    """The model is trained and the first process has it: nothing is left to do in this one."""


@dataclass(frozen=True)
class World:
    """The processes of one attempt. `store`: the keys and values that they share, kept by the first of them."""

    rank: int = 0
    size: int = 1
    store: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that evaluates, exports, publishes and reports."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether it is so in one of the processes; all of them must ask."""
        if self.size == 1:
            return flag
        votes = torch.tensor([int(flag)])
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return bool(votes.item())

    def part(self) -> None:
        """Tell the others that all is done, and give them a moment to hear it: the store ends with this process."""
        if self.size == 1:
            return
        self.store.set(_DONE, "1")
        until = time.monotonic() + PARTING_SECONDS
        while self.store.add(_LEFT, 0) < self.size - 1 and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    def wait_for_first(self) -> None:
        """Stay until the first process has published, however long that takes. Raises TrainerError (PeerLost)."""
        try:
            while not self.store.check([_DONE]):
                time.sleep(POLL_SECONDS)
            self.store.add(_LEFT, 1)
        except (dist.DistError, RuntimeError) as error:
            raise peer_lost() from error


def join(run: RunConfig, cuda: bool, environment: MutableMapping[str, str] = os.environ) -> World:
    """Meet the other processes of the attempt. Raises TrainerError (PeersMissing) where not all of them come."""
    size = run.nodes * processes(run)
    if size == 1:
        return World()
    rank = int(environment.get(INDEX, "0")) * processes(run) + int(environment.get(PROCESS, "0"))
    host, port = environment["MASTER_ADDR"], int(environment["MASTER_PORT"])
    # accelerate and transformers learn from these that they are not alone.
    environment.update({"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": "0"})
    logger.info("process %d of %d meets the others at %s:%d", rank + 1, size, host, port)
    try:
        if rank > 0:
            _wait_until_open(host, port)
        store = dist.TCPStore(
            "localhost" if rank == 0 else host,
            port,
            world_size=size,
            is_master=rank == 0,
            timeout=timedelta(seconds=MEETING_SECONDS),
        )
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=dist.PrefixStore("group", store),
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=SILENCE_SECONDS),
        )
    except (TimeoutError, RuntimeError) as error:
        message = f"the {size} processes of this attempt did not all come together within {MEETING_SECONDS:.0f} s"
        raise TrainerError(ExitCode.INTERRUPTED, "PeersMissing", message, "spec.nodes") from error
    return World(rank, size, store)


def _wait_until_open(host: str, port: int) -> None:
    """The first pod may not be scheduled yet, and then it has no name either. Raises TimeoutError."""
    until = time.monotonic() + MEETING_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise TimeoutError(host)


def peer_lost() -> TrainerError:
    """Another process ended; it says itself why."""
    return TrainerError(ExitCode.INTERRUPTED, "PeerLost", "another process of this attempt ended before its time")


_LOST_MARKS = ("connection closed by peer", "connection reset by peer", "broken pipe", "gloo", "nccl")


def told(error: Exception, world: World) -> Exception:
    """PeerLost for what a library raises when another process is gone; anything else as it is."""
    if world.size == 1:
        return error
    lost = isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(mark in str(error).lower() for mark in _LOST_MARKS)
    )
    return peer_lost() if lost else error


class SharedInterruption(Interruption):
    """Told to stop is every process at the same step, where one of them was."""

    def __init__(self, world: World) -> None:
        """Nothing came yet."""
        super().__init__()
        self._world = world
        self._agreed = False

    @property
    def requested(self) -> bool:
        """What was agreed on last."""
        return self._agreed

    def agree(self) -> None:
        """Ask the others; the time that is left counts from here where the signal was another's."""
        told = super().requested
        self._agreed = self._agreed or self._world.any(told)
        if self._agreed and not told:
            self._note()


class _Agreeing(TrainerCallback):
    def __init__(self, interruption: SharedInterruption) -> None:
        self._interruption = interruption

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Agree on whether to stop here."""
        self._interruption.agree()


class _SameDraws(TrainerCallback):
    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Draw the order of the epoch's rows from the same random numbers, the first process's.

        Dropout draws as many as a batch is large, and each process has batches of its own.
        """
        numbers = torch.get_rng_state()
        dist.broadcast(numbers, src=0)
        torch.set_rng_state(numbers)


class Sharded:
    """A transformers Trainer whose model's weights are shared out among the processes while it trains."""

    def __init__(self, world: World, trainer: Any) -> None:
        """Prepare the Trainer; the weights are shared out when its loop starts."""
        self._world, self._trainer = world, trainer
        self.interruption = SharedInterruption(world)
        for weight in trainer.model.parameters():
            if weight.requires_grad:
                dist.broadcast(weight.data, src=0)
        self._plain = _without_weights(trainer.model) if world.first else None
        _use_fsdp(trainer)

    def around(self, checkpoints: TrainerCallback) -> tuple[TrainerCallback, ...]:
        """The callback that saves and loads checkpoints, and before and after it those that keep the loops in step."""
        return _Agreeing(self.interruption), checkpoints, _SameDraws()

    def hand_over(self) -> None:
        """Give the first process its model back, whole and in place. Raises HelpedError in the others."""
        model, weights = self._trainer.model, {}
        for name, weight in model.named_parameters():
            together = whole(weight)
            if self._world.first:
                weights[name] = together.detach()
        if self._plain is None:
            raise HelpedError
        _fill(self._plain, weights)
        # Whoever has the model keeps it: only what it is made of changes.
        model.__class__ = type(self._plain)
        model.__dict__ = self._plain.__dict__


def _use_fsdp(trainer: Any) -> None:
    """What `fsdp=True` does on GPUs. accelerate would leave CPUs without it, and copy the whole model (DDP)."""
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="TRANSFORMER_BASED_WRAP",
        reshard_after_forward=True,
        state_dict_type="FULL_STATE_DICT",
        cpu_ram_efficient_loading=False,
    )
    state = trainer.accelerator.state
    state.distributed_type = DistributedType.FSDP
    if state.mixed_precision != "no":
        plugin.set_mixed_precision(state.mixed_precision)
    state.fsdp_plugin = plugin
    trainer.is_fsdp_enabled = True


def _without_weights(model: Any) -> Any:
    """A copy of a model that takes no memory for its weights; integers (four-bit weights) are never shared out."""
    memo: dict[int, Any] = {}
    for weight in model.parameters():
        kept = not weight.is_floating_point()
        empty = weight if kept else torch.nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
        memo[id(weight)] = empty
    return copy.deepcopy(model, memo)


def _fill(plain: Any, weights: dict[str, Any]) -> None:
    """Give a copy without weights the weights of these names; those that are one under two names stay one."""
    filled = {
        id(empty): torch.nn.Parameter(weights[name], requires_grad=empty.requires_grad)
        for name, empty in plain.named_parameters()
        if empty.is_meta
    }
    for module in plain.modules():
        for name, weight in module._parameters.items():
            if weight is not None and id(weight) in filled:
                module._parameters[name] = filled[id(weight)]
