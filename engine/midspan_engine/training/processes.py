"""Several training processes: each takes its own contexts, gradients are added up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """This process among those that `torchrun` started; one alone without it."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls, device: str) -> Processes:
        """Join the group that the environment of `torchrun` describes, if there is one."""
        if "WORLD_SIZE" not in os.environ:
            return cls()
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return cls(rank=distributed.get_rank(), count=distributed.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one exchange."""
        if self.count == 1:
            return
        kept = list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in kept])
        distributed.all_reduce(flat)
        for tensor, part in zip(kept, torch.split(flat, [t.numel() for t in kept]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def leave(self) -> None:
        """End the group."""
        if self.count > 1:
            distributed.destroy_process_group()
