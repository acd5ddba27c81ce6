"""Synthetic edits: refactorings of existing sources, one step done, the next one asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.training.data_filter import language_of
from midspan_engine.training.edits.bodies import change_types, wrap_returns
from midspan_engine.training.edits.releases import quiet_line
from midspan_engine.training.edits.renames import rename_field, rename_function, rename_local
from midspan_engine.training.edits.revision import (
    Change,
    Cutter,
    Revision,
    by_line,
    past_edit,
    reordered,
)
from midspan_engine.training.edits.signatures import add_parameter, to_async, to_options
from midspan_engine.training.edits.syntax import SCRIPTS, SourceTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from midspan_engine.training.edits.releases import Texts
    from midspan_engine.training.edits.samples import EditSample

    Refactoring = Callable[[SourceTree, np.random.Generator], list[Change] | None]

_EVERYWHERE: Mapping[str, Refactoring] = {
    "rename-local": rename_local,
    "rename-function": rename_function,
}
_SCRIPTED: Mapping[str, Refactoring] = {
    **_EVERYWHERE,
    "rename-field": rename_field,
    "add-parameter": add_parameter,
    "to-options": to_options,
    "to-async": to_async,
    "wrap-return": wrap_returns,
    "change-type": change_types,
}
_LARGEST_FILE = 40_000
_MOST_HISTORY = 6
_UNRELATED = 0.3
_EACH = 2
"""Changed samples from one refactoring."""


def refactored(texts: Texts, rng: np.random.Generator) -> Iterator[EditSample]:
    """Samples from the files in random order, a few refactorings of each."""
    paths = sorted(texts)
    rng.shuffle(paths)
    earlier: list[tuple[str, str]] = []
    for path in paths:
        text, language = texts[path], language_of(path) or ""
        tree = SourceTree.parse(text, language) if len(text) <= _LARGEST_FILE else None
        if tree is None:
            continue
        rich = language == "python" or language in SCRIPTS
        known = _SCRIPTED if rich else _EVERYWHERE
        for kind in rng.permutation(sorted(known))[: 4 if rich else 2]:
            changes = known[str(kind)](tree, rng)
            if changes:
                steps = by_line(text, changes)
                revision = Revision(
                    kind=str(kind), language=language, path=path, old=text, changes=steps
                )
                if len(steps) > 1:
                    yield from _samples(reordered(revision, rng), earlier, rng)
                    earlier = [past_edit(revision, steps[0])]


def _samples(
    revision: Revision, earlier: Sequence[tuple[str, str]], rng: np.random.Generator
) -> Iterator[EditSample]:
    """A few places along the way, and about as many where nothing is left to do.

    Now and then what was done before (`earlier`) stands in the history too.
    """
    changes, cutter = revision.changes, Cutter(revision, rng)
    hunks = [past_edit(revision, change, changes[:n]) for n, change in enumerate(changes)]
    unrelated = earlier if rng.random() < _UNRELATED else []
    for _ in range(min(_EACH, len(changes) - 1)):
        # Early steps more often: after them most is still to come.
        count = 1 + int((len(changes) - 1) * float(rng.random()) ** 2)
        done = changes[:count]
        history = [*unrelated, *hunks[:count][-_MOST_HISTORY:]]
        sample = cutter.changed(done, changes[count], history)
        if sample is not None:
            yield sample
    count = len(changes) if rng.random() < 0.5 else int(rng.integers(1, len(changes) + 1))  # noqa: PLR2004
    done = changes[:count]
    line = quiet_line(cutter, done, rng)
    quiet = cutter.unchanged(line, done, [*unrelated, *hunks[:count][-_MOST_HISTORY:]])
    if quiet is not None:
        yield quiet
