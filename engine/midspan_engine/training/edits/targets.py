"""A sample as ids: the prompt, the answer behind it, and how much each answer token weighs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from midspan_engine.decoding.alignment import changed_tokens
from midspan_engine.decoding.edit_prompt import (
    EditWindow,
    Layout,
    Marks,
    answer_text,
    encode_prompt,
)

if TYPE_CHECKING:
    from midspan_engine.decoding.edit_prompt import Encode
    from midspan_engine.training.edits.samples import EditSample

_TRAILING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class EditSettings:
    """What is drawn, how it is laid out and what it weighs."""

    layout: Layout = "fim"
    window: EditWindow = field(default_factory=EditWindow)
    quiet_share: float = 0.4
    """Of the samples drawn whose answer is no edit."""
    real_share: float = 0.5
    """Of the changed samples drawn that come from releases, not from refactorings."""
    copy_weight: float = 0.3
    """Of an answer token that also stands there in the original; a changed one weighs 1. Not much
    less than that: a token copied wrongly is an edit that nobody asked for."""
    decision_weight: float = 1.0
    """Of the first token, edit or no edit, whatever the length of the answer; so the balance of the
    two is that of `quiet_share`."""
    cut_share: float = 0.5
    """Of the answers that training ends soon after their last change: copying costs time."""
    gradient: Literal["all", "region"] = "region"
    """Rows that the gradient reaches: with `region`, those from the region's marker on, which makes
    a step a third cheaper; the adapter acts on all of them either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedEdit:
    """One training row."""

    ids: np.ndarray
    """int64 `[tokens]`: the prompt and the answer, without the closing token."""
    targets: np.ndarray
    """int64 `[answer]`: the answer with its closing token, unless it was cut."""
    weights: np.ndarray
    """float32 `[answer]`."""
    changed: np.ndarray
    """bool `[answer]`: tokens that differ from the original, and the first after a deletion."""
    quiet: bool
    region: int
    """Index into `ids` of the marker before the original region."""

    @property
    def start(self) -> int:
        """Index into `ids` of the row that predicts the first target."""
        return len(self.ids) - len(self.targets)


def encode_edit(
    sample: EditSample, settings: EditSettings, encode: Encode, marks: Marks
) -> EncodedEdit:
    """The whole sample.

    Raises:
        WindowError: the region is longer than the window allows.
    """
    prompt = encode_prompt(sample.context, settings.layout, encode, marks, settings.window)
    opening = marks.pad if settings.layout == "fim" else marks.prefix
    region = len(prompt) - 1 - prompt[::-1].index(opening)
    if sample.quiet:
        return EncodedEdit(
            ids=np.array(prompt, dtype=np.int64),
            targets=np.array([marks.end], dtype=np.int64),
            weights=np.array([settings.decision_weight], dtype=np.float32),
            changed=np.zeros(1, dtype=np.bool_),
            quiet=True,
            region=region,
        )
    answer = list(encode(answer_text(sample.updated)))
    changed = changed_tokens(list(encode(sample.original)), answer)
    full = list(changed)
    for index in range(1, len(full)):
        full[index] |= changed[index - 1]
    weights = [1.0 if one else settings.copy_weight for one in full]
    weights[0] = settings.decision_weight
    return EncodedEdit(
        ids=np.array([*prompt, *answer], dtype=np.int64),
        targets=np.array([*answer, marks.end], dtype=np.int64),
        weights=np.array([*weights, 1.0], dtype=np.float32),
        changed=np.array([*changed, False], dtype=np.bool_),
        quiet=False,
        region=region,
    )


def cut_after_change(edit: EncodedEdit) -> EncodedEdit:
    """The same without what is only copied after the last change."""
    kept = int(np.flatnonzero(edit.changed)[-1]) + 1 + _TRAILING if edit.changed.any() else 0
    dropped = len(edit.targets) - kept
    if edit.quiet or not kept or dropped <= 0:
        return edit
    return replace(
        edit,
        ids=edit.ids[:-dropped],
        targets=edit.targets[:kept],
        weights=edit.weights[:kept],
        changed=edit.changed[:kept],
    )


def shrunk(window: EditWindow, rng: np.random.Generator) -> EditWindow:
    """Less context more often than much: it costs less, and in use there may be little of it."""

    def less(most: int, least: int) -> int:
        return min(most, least + int((most - least) * float(rng.random()) ** 2))

    return replace(
        window,
        before=less(window.before, 32),
        after=less(window.after, 16),
        history=less(window.history, window.newest),
    )
