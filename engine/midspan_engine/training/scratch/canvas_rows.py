"""Rows of the diffusion twin: spans under masks, as the canvas decoder will meet them.

Spans are masked at a ratio that is spread evenly over a batch (MDLM, arXiv 2406.07524), masks that
stand for nothing follow some of them, and neighbouring masks of others become one that has to
expand (DreamOn). The loss is the plain cross entropy of masked places; all deletes of a span count
as one token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.training.scratch.settings import BatchSettings

IGNORED = -100
_MORE_MERGES = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasIds:
    """Marks of the canvas."""

    mask: int
    expand: int
    delete: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a batch before it is cut to length, each `[tokens]`."""

    inputs: np.ndarray
    targets: np.ndarray
    """`IGNORED` where nothing is asked."""
    weights: np.ndarray
    """float32."""


def spans_row(
    pieces: Sequence[Sequence[int]],
    ids: CanvasIds,
    settings: BatchSettings,
    ratio: float,
    rng: np.random.Generator,
) -> Row:
    """Text and spans in turn, as ids; each span under masks at `ratio` or its complement."""
    inputs, targets, weights = [], [], []
    for index, piece in enumerate(pieces):
        known = np.array(piece, dtype=np.int64)
        if index % 2 == 0:
            inputs.append(known)
            targets.append(np.full(len(known), IGNORED))
            weights.append(np.zeros(len(known), dtype=np.float32))
        else:
            # One ratio for all spans of a row would show each how masked it is by its neighbours.
            ratio = (ratio + 0.618034) % 1.0
            part = _span(known, ids, settings, ratio, rng)
            inputs.append(part.inputs)
            targets.append(part.targets)
            weights.append(part.weights)
    return Row(
        inputs=np.concatenate(inputs),
        targets=np.concatenate(targets),
        weights=np.concatenate(weights),
    )


def _span(
    known: np.ndarray,
    ids: CanvasIds,
    settings: BatchSettings,
    ratio: float,
    rng: np.random.Generator,
) -> Row:
    masked = rng.random(len(known)) < ratio
    masked[rng.integers(len(known))] = True
    targets, hidden = _merged(known, masked, ids, settings, rng)
    deletes = int(rng.integers(settings.most_deletes + 1)) if rng.random() < 0.5 else 0  # noqa: PLR2004
    weights = hidden.astype(np.float32)
    if deletes:
        targets = np.concatenate([targets, np.full(deletes, ids.delete)])
        hidden = np.concatenate([hidden, np.ones(deletes, dtype=bool)])
        share = np.full(deletes, 1.0 / deletes, dtype=np.float32)
        weights = np.concatenate([weights, share])
    inputs = np.where(hidden, ids.mask, targets)
    return Row(inputs=inputs, targets=np.where(hidden, targets, IGNORED), weights=weights)


def _merged(
    known: np.ndarray,
    masked: np.ndarray,
    ids: CanvasIds,
    settings: BatchSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and which are masked, with some pairs of masks become one that expands."""
    targets, hidden = known, masked
    again = rng.random() < settings.merge_share
    while again and len(targets) > 1:
        pairs = hidden[:-1] & hidden[1:] & (rng.random(len(targets) - 1) < rng.random())
        kept = np.ones(len(targets), dtype=bool)
        targets = targets.copy()
        for at in np.flatnonzero(pairs):
            if kept[at]:
                targets[at], kept[at + 1] = ids.expand, False
        targets, hidden = targets[kept], hidden[kept]
        again = rng.random() < _MORE_MERGES
    return targets, hidden


def scattered_row(ids: np.ndarray, mask: int, ratio: float, rng: np.random.Generator) -> Row:
    """Tokens masked anywhere at `ratio`, one at least, as the likelihood bound asks for."""
    hidden = rng.random(len(ids)) < ratio
    hidden[rng.integers(len(ids))] = True
    return Row(
        inputs=np.where(hidden, mask, ids),
        targets=np.where(hidden, ids, IGNORED),
        weights=hidden.astype(np.float32),
    )
