"""Denoise steps: the kernel and its twin have to leave the same spans behind."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from midspan_kernels.confidence import RowConfidence
from midspan_kernels.reference import unmask as unmask_twin
from midspan_kernels.reference import verify as verify_twin
from midspan_kernels.spans import guessed_spans, masked_spans
from midspan_kernels.unmask import THRESHOLD, Policies, unmask
from midspan_kernels.verify import confirm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from midspan_kernels.spans import Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One kind of step; both calls change their own spans."""

    name: str
    ours: Callable[[], None]
    twin: Callable[[], None]
    left: Spans
    right: Spans

    def agrees(self) -> bool:
        """Whether both left the same behind."""
        pairs = zip(self.left.tensors, self.right.tensors, strict=True)
        return all(torch.equal(mine, theirs) for mine, theirs in pairs)


def all_steps(users: int, cells: int, device: str) -> Iterator[Step]:
    """A step of pure diffusion and a verified one."""
    first = torch.zeros(users, dtype=torch.int32, device=device)
    ends = first[:1] + 1
    mine = masked_spans(first, first, cells=cells, room=2000)
    theirs = copy.deepcopy(mine)
    scores = _scores(users * (cells + 1), device)
    policies = Policies(kinds=first + THRESHOLD, limits=torch.full_like(first, -1).float())
    yield Step(
        name=f"unmask, {users} users, {cells} cells",
        ours=lambda: unmask(mine, scores, policies, ends),
        twin=lambda: unmask_twin.unmask(theirs, scores, policies, ends),
        left=mine,
        right=theirs,
    )
    guessed = guessed_spans(first, first, cells=cells, room=2000)
    guessed_too = copy.deepcopy(guessed)
    every = _scores(users * (cells + 1) ** 2, device)
    ratios = torch.zeros_like(first).float()
    yield Step(
        name=f"verify, {users} users, {cells} cells",
        ours=lambda: confirm(guessed, every, ratios, ends),
        twin=lambda: verify_twin.confirm(guessed_too, every, ratios, ends),
        left=guessed,
        right=guessed_too,
    )


def _scores(rows: int, device: str) -> RowConfidence:
    return RowConfidence(
        tokens=torch.randint(2, 50, (rows,), device=device).int(),
        logprobs=-torch.rand(rows, device=device) * 2,
        margins=torch.rand(rows, device=device),
        entropies=torch.rand(rows, device=device),
        log_normalisers=torch.zeros(rows, device=device),
        given_logprobs=-torch.rand(rows, 1, device=device) * 2,
    )
