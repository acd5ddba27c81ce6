"""Figures on held-out packages: how often masks are right, and how far a draft gets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from midspan_engine.training.blocks import BlockPlan, all_masked
from midspan_engine.training.rollout import continue_greedily
from midspan_engine.training.spans import read_contexts, write_contexts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.transformer import Transformer
    from midspan_engine.training.objective import Objective
    from midspan_engine.training.spans import Context

_BLOCK = 8
_STARTS = 6
_BINS = 10
_GREEDY_TOKENS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures of one evaluation.

    Position 0 is what the frozen pass predicts anyway; position i is read from the i-th mask. With
    position 0 known a draft is the same block one token later: its first mask is position 2 there.
    """

    positions: list[float]
    """All masked: share right at positions 1, 2, … against the file."""
    agreement: list[float]
    """The same against the base's own choice given the file's tokens."""
    correct_prefix: float
    """Mean number of leading masks that are right, against the file."""
    greedy_positions: list[float]
    """On the base's own greedy continuations: share right at each mask."""
    accepted: float
    """On the same: mean number of drafted tokens that `verified` would accept in a pass."""
    passes: dict[str, float]
    """Tokens per pass over the greedy continuations when 2, 3, 4 or 7 tokens are drafted for every
    outcome of the verification."""
    calibration_error: float
    """Mean gap between confidence and accuracy of all masks (10 bins, weighted)."""
    rows: int

    @property
    def score(self) -> float:
        """Drafts that would be accepted."""
        return self.accepted

    def as_json(self) -> dict[str, object]:
        """For the log."""
        return asdict(self)


@torch.no_grad()
def evaluate(
    objective: Objective,
    adapter: Adapter,
    contexts: Sequence[Context],
    greedy: Sequence[Context],
    end: int,
) -> Evaluation:
    """Run both sets; contexts need at least three middle tokens."""
    hits, agrees, confidence = [], [], []
    for context in contexts:
        count = len(context.ids) - context.middle_start
        starts = context.middle_start - 1 + _pick(max(count - 1, 1))
        plan = all_masked(context, end, _BLOCK, starts)
        top, sure, base = _predict(objective, adapter, context, plan)
        real = plan.targets != end
        hit = _grid(plan, top == plan.targets, starts)
        # EOS that only fills the block is no achievement and is not counted.
        hits.append(np.where(_grid(plan, _counted(plan, end), starts) > 0, hit, np.nan))
        agrees.append(
            np.where(_grid(plan, base >= 0, starts) > 0, _grid(plan, top == base, starts), np.nan)
        )
        confidence.append(np.stack([sure, top == plan.targets])[:, real])
    all_hits = np.concatenate(hits)
    greedy_runs = [_greedy_hits(objective, adapter, context, end) for context in greedy]
    flat = np.concatenate(greedy_runs) if greedy_runs else np.zeros((1, _BLOCK))
    return Evaluation(
        positions=_shares(all_hits),
        agreement=_shares(np.concatenate(agrees)),
        correct_prefix=float(np.cumprod(np.nan_to_num(all_hits), axis=1).sum(axis=1).mean()),
        greedy_positions=_shares(flat),
        accepted=float(np.cumprod(np.nan_to_num(flat), axis=1).sum(axis=1).mean()),
        passes={str(depth): _tokens_per_pass(greedy_runs, depth) for depth in (2, 3, 4, 7)},
        calibration_error=_calibration(np.concatenate(confidence, axis=1)),
        rows=int(all_hits.size + flat.size),
    )


def greedy_set(
    model: Transformer, contexts: Sequence[Context], cache: Path, stops: frozenset[int]
) -> list[Context]:
    """Greedy continuations of the contexts, made once and kept in `cache`."""
    if cache.is_file():
        return read_contexts(cache)
    made = [
        continue_greedily(model, [context], _GREEDY_TOKENS, stops)[0][0]
        for context in tqdm(contexts, desc="greedy continuations", unit="context")
    ]
    made = [context for context in made if len(context.ids) - context.middle_start > _BLOCK]
    write_contexts(cache, made)
    return made


def _predict(
    objective: Objective, adapter: Adapter, context: Context, plan: BlockPlan
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(predicted id, its probability, the base's choice or -1) of every row."""
    state = objective.context(context.ids)
    hidden = objective.block_hidden(adapter, state, plan)
    sure, top = objective.model.head(hidden).softmax(dim=-1).max(dim=-1)
    has_base = plan.teacher_rows >= 0
    base = np.full(len(plan.targets), -1)
    wanted = torch.from_numpy(plan.teacher_rows[has_base]).to(state.hidden.device)
    base[has_base] = objective.model.head(state.hidden[wanted]).argmax(dim=-1).cpu().numpy()
    return top.cpu().numpy(), sure.cpu().numpy(), base


def _greedy_hits(objective: Objective, adapter: Adapter, context: Context, end: int) -> np.ndarray:
    """`[starts, 8]` for every known token of the continuation; NaN past its end."""
    starts = np.arange(context.middle_start - 1, len(context.ids) - 2)
    plan = all_masked(context, end, _BLOCK, starts)
    top, _, _ = _predict(objective, adapter, context, plan)
    return _grid(plan, top == plan.targets, starts)


def _grid(plan: BlockPlan, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    grid = np.full((len(starts), _BLOCK), np.nan)
    grid[plan.blocks, plan.depths] = values
    return grid


def _counted(plan: BlockPlan, end: int) -> np.ndarray:
    """All rows but those whose target is EOS after the first EOS of the block."""
    is_end = plan.targets == end
    after = np.zeros(len(is_end), dtype=bool)
    after[1:] = is_end[1:] & is_end[:-1] & (plan.blocks[1:] == plan.blocks[:-1])
    return ~after


def _pick(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, _STARTS)).astype(int))


def _shares(hits: np.ndarray) -> list[float]:
    counts = np.maximum((~np.isnan(hits)).sum(axis=0), 1)
    return [round(float(share), 4) for share in np.nansum(hits, axis=0) / counts]


def _tokens_per_pass(runs: Sequence[np.ndarray], depth: int) -> float:
    """Walk each continuation as the decoder would: one sure token a pass, then what is accepted."""
    tokens = passes = 0
    for hits in runs:
        at = 0
        while at < len(hits):
            row = np.nan_to_num(hits[at, :depth])
            step = 1 + int(np.cumprod(row).sum())
            tokens, passes, at = tokens + step, passes + 1, at + step
    return round(tokens / max(passes, 1), 4)


def _calibration(pairs: np.ndarray) -> float:
    """Expected calibration error of (confidence, hit) `[2, rows]`."""
    bins = np.minimum((pairs[0] * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(pairs[0, bins == b].mean() - pairs[1, bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return round(float(sum(gaps)), 4)
