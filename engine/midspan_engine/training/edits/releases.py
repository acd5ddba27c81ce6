"""Real edits: what changed in a file from one release of a package to the next."""

from __future__ import annotations

import collections
import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.training.data_filter import language_of, looks_written
from midspan_engine.training.edits.revision import (
    Change,
    Cutter,
    Lines,
    Revision,
    changed_words,
    past_edit,
    reordered,
    words_of,
)
from midspan_engine.training.edits.samples import REAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np

    from midspan_engine.training.edits.samples import EditSample

Texts = dict[str, str]
"""Path without the archive's own top folder, to text."""
_LONGEST_FILE_LINES, _LONGEST_HUNK_LINES, _MOST_HUNKS = 4_000, 14, 60
_MOST_HISTORY = 6
_KNOWN_SHARE = 0.8
_LONGEST_ADDITION = 400
_NUMBERS = re.compile(r"\d+")
_LAYOUT = re.compile(r"[\s,;'\"`()]+")
_LEGAL = re.compile(r"copyright|licen[cs]e|spdx-|all rights reserved", re.IGNORECASE)
_VERSION = re.compile(r"version|release|\d+\.\d+\.\d+", re.IGNORECASE)
_PROSE = re.compile(r"\s*(#(?!\[|include|define|if|el|end|pragma|import)|//|/?\*|$)")
_TOP = re.compile(r"^[^/]+-\d[^/]*/|^package/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A change with its hunk and the words it takes out and brings in."""

    path: str
    change: Change
    hunk: tuple[str, str]
    removed: frozenset[str]
    added: frozenset[str]

    def follows_from(self, other: _Step) -> bool:
        """Whether both take out or bring in the same identifier."""
        return bool(self.removed & other.removed or self.added & other.added)


def release_texts(members: Iterable[tuple[str, str]]) -> Texts:
    """Files that people wrote, of one archive's (path, text).

    JavaScript goes where there is much TypeScript: it was compiled from it.
    """
    texts = {
        _TOP.sub("", path): text.replace("\r\n", "\n")
        for path, text in members
        if language_of(_TOP.sub("", path)) and looks_written(text)
    }
    languages = collections.Counter(map(language_of, texts))
    if 2 * languages["typescript"] > languages["javascript"]:
        texts = {p: text for p, text in texts.items() if language_of(p) != "javascript"}
    return texts


def revisions(older: Texts, newer: Texts) -> list[Revision]:
    """One for each file that changed in a way worth learning."""
    found = []
    for path in sorted(older.keys() & newer.keys()):
        if older[path] != newer[path]:
            revision = _revision(path, older[path], newer[path])
            if revision.changes:
                found.append(revision)
    return found


def is_noise(old: str, new: str) -> bool:
    """Formatting only, a number of a version, or a licence line."""
    if _LAYOUT.sub("", old) == _LAYOUT.sub("", new):
        return True
    if _LEGAL.search(old) or _LEGAL.search(new):
        return True
    same_but_numbers = _NUMBERS.sub("0", old) == _NUMBERS.sub("0", new)
    return same_but_numbers and bool(_VERSION.search(old + new))


def _revision(path: str, old: str, new: str) -> Revision:
    language = language_of(path) or ""
    kept: list[Change] = []
    settled = _settle(old, new)
    if settled is not None:
        kept = list(_line_changes(settled, new))
        old = settled
    return Revision(kind=REAL, language=language, path=path, old=old, changes=tuple(kept))


def _settle(old: str, new: str) -> str | None:
    """`old` with its noise and its long hunks already applied; None for a rewritten file."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if max(len(before), len(after)) > _LONGEST_FILE_LINES:
        return None
    lines: list[str] = []
    touched = hunks = 0
    for tag, first, last, begin, end in _opcodes(before, after):
        removed, added = before[first:last], after[begin:end]
        apply = tag == "equal" or max(len(removed), len(added)) > _LONGEST_HUNK_LINES
        apply = apply or is_noise("".join(removed), "".join(added))
        if not apply:
            hunks += 1
        if tag != "equal":
            touched += len(removed) + len(added)
        lines += added if apply else removed
    rewritten = touched > 0.6 * (len(before) + len(after)) or hunks > _MOST_HUNKS
    return None if rewritten else "".join(lines)


def _line_changes(old: str, new: str) -> Iterator[Change]:
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    starts = Lines(old).starts
    for tag, first, last, begin, end in _opcodes(before, after):
        if tag != "equal":
            text = "".join(after[begin:end])
            yield Change(start=starts[first], end=starts[last], text=text)


def _opcodes(before: list[str], after: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


class ReleaseMiner:
    """Cuts samples out of all files that changed in one release."""

    def __init__(self, changed: Sequence[Revision], rng: np.random.Generator) -> None:
        self.rng = rng
        self.revisions = [reordered(revision, rng) for revision in changed]
        self.steps: Mapping[str, list[_Step]] = {
            revision.path: [_step(revision, index) for index in range(len(revision.changes))]
            for revision in self.revisions
        }

    def samples(self) -> Iterator[EditSample]:
        """Changed regions, and after each about as many that stay as they are."""
        for revision in self.revisions:
            steps = self.steps[revision.path]
            cutter = Cutter(revision, self.rng)
            for index, step in enumerate(steps):
                history = self._history(steps[:index], step)
                done = [earlier.change for earlier in steps[:index]]
                if history and not _is_prose(revision.old, step.change):
                    sample = cutter.changed(done, step.change, history)
                    if sample is not None and _is_predictable(sample):
                        yield sample
                yield from self._quiet(cutter, steps, index)

    def _history(self, earlier: Sequence[_Step], step: _Step) -> list[tuple[str, str]]:
        """Hunks that the step may follow from, then the last one; empty if there is none."""
        related = [
            other
            for path, others in self.steps.items()
            if path != step.path
            for other in others
            if step.follows_from(other)
        ][: _MOST_HISTORY // 2]
        near = [other for other in earlier if step.follows_from(other)]
        if not (related or near):
            return []
        last = [other for other in earlier[-2:] if other not in near]
        return [other.hunk for other in (*related, *last, *near)][-_MOST_HISTORY:]

    def _quiet(self, cutter: Cutter, steps: Sequence[_Step], index: int) -> Iterator[EditSample]:
        """Nothing follows: where it was just edited, near it, or where its words still stand."""
        done = steps[: index + 1]
        history = [step.hunk for step in done][-_MOST_HISTORY:]
        line = quiet_line(cutter, [step.change for step in done], self.rng)
        sample = cutter.unchanged(line, [step.change for step in done], history)
        if sample is not None:
            yield sample


def quiet_line(cutter: Cutter, done: Sequence[Change], rng: np.random.Generator) -> int:
    """A line that a person could expect an edit at after the last of `done`."""
    lines, last = cutter.lines, done[-1]
    old = cutter.revision.old
    place, count = lines.at(last.start), max(len(lines.starts) - 1, 1)
    lot = float(rng.random())
    if lot < 0.4:  # noqa: PLR2004 - shares
        words = set().union(*changed_words(old, last))
        text = old.splitlines()
        named = [n for n, line in enumerate(text) if words & words_of(line) and abs(n - place) > 1]
        if named:
            return int(rng.choice(named))
    if lot < 0.7:  # noqa: PLR2004
        place += int(rng.integers(-30, 31))
    elif lot > 0.85:  # noqa: PLR2004
        place = int(rng.integers(count))
    return min(max(place, 0), count - 1)


def _is_prose(old: str, change: Change) -> bool:
    """Whether only lines of comments change: they follow from nothing that the prompt shows."""
    lines = (old[change.start : change.end] + change.text).splitlines()
    return all(_PROSE.match(line) for line in lines)


def _is_predictable(sample: EditSample) -> bool:
    """Whether the answer is short and most words that it brings in can be read in the prompt."""
    if len(sample.updated) - len(sample.original) > _LONGEST_ADDITION:
        return False
    new = words_of(sample.updated) - words_of(sample.original)
    if not new:
        return True
    hunks = "\n".join(diff for _, diff in sample.history)
    seen = words_of(hunks) | words_of(sample.before) | words_of(sample.after)
    return len(new & seen) >= _KNOWN_SHARE * len(new)


def _step(revision: Revision, index: int) -> _Step:
    change = revision.changes[index]
    removed, added = changed_words(revision.old, change)
    return _Step(
        path=revision.path,
        change=change,
        hunk=past_edit(revision, change, revision.changes[:index]),
        removed=frozenset(removed),
        added=frozenset(added),
    )
