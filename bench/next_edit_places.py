"""Held-out files on their way from one text to the next, played as a person would make the edits.

The packages are those of `midspan train edit-data`, whose archives its folder keeps. A case stands
in the middle of a revision: some changes are made, others are due, and the rest of the package is
open beside the file.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.training.data_fetch import FetchError, fetch, source_texts
from midspan_engine.training.data_filter import LANGUAGES
from midspan_engine.training.edits.package_list import read_edit_packages
from midspan_engine.training.edits.releases import release_texts, revisions
from midspan_engine.training.edits.revision import applied, changed_words
from midspan_server.history import EditHistory
from midspan_server.next_edit.regions import Candidate
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from midspan_engine.training.edits.package_list import EditPackage
    from midspan_engine.training.edits.releases import Texts
    from midspan_engine.training.edits.revision import Change, Revision

_MOST_HISTORY = 4
_BETWEEN_S = 20.0
_LONGEST_FILE = 60_000
_OF_A_PACKAGE = 4
_OTHERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCase:
    """A file after some of its changes, and where the others are due.

    Attributes:
        name: Package and path.
        document: The file as it stands.
        others: Files of the same folder of the package, nearest first.
        history: The newest changes.
        due: Lines of the document at which something is still to change.
        target: What the next change makes of its lines: first line, line behind the last, text.
    """

    name: str
    document: DocumentSnapshot
    others: tuple[DocumentSnapshot, ...]
    history: EditHistory
    due: frozenset[int]
    target: tuple[int, int, str]

    def is_due(self, region: Candidate) -> bool:
        """Whether something is still to change in a region."""
        lines = range(region.start_line, region.end_line)
        return region.uri == self.document.uri and any(line in lines for line in self.due)

    def region(self, lines: range) -> Candidate:
        """Those lines of the document, as the server would name them."""
        return Candidate(
            uri=self.document.uri,
            version=self.document.version,
            start_line=lines.start,
            end_line=lines.stop,
            reason="near",
            score=0.0,
        )


def placed_cases(data: Path, count: int, seed: int) -> list[PlacedCase]:
    """Cases of held-out packages, the same for a seed.

    Raises:
        FileNotFoundError: the folder has no manifest, or no archive of a held-out package.
    """
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    held_out = {entry["key"] for entry in manifest["packages"] if entry["held_out"]}
    packages = [one for one in read_edit_packages() if one.key in held_out]
    rng = np.random.default_rng(seed)
    found: list[PlacedCase] = []
    for index in rng.permutation(len(packages)):
        if len(found) >= count:
            break
        found += _of_package(packages[int(index)], data / "cache", rng)
    if not found:
        raise FileNotFoundError(f"{data} has no archives: run `midspan train edit-data`")
    return found[:count]


def _of_package(
    package: EditPackage, cache: Path, rng: np.random.Generator
) -> Iterator[PlacedCase]:
    releases = [_texts(package, index, cache) for index in range(len(package.releases))]
    made = 0
    for older, newer in itertools.pairwise(releases):
        changed = revisions(older, newer)
        for at in rng.permutation(len(changed)):
            case = _case(package.name, changed[int(at)], older, rng)
            if case is not None and made < _OF_A_PACKAGE:
                made += 1
                yield case


def _texts(package: EditPackage, index: int, cache: Path) -> Texts:
    """Files of one release; {} where its archive is not there."""
    release = package.releases[index]
    wanted = package.wanted(release)
    folder = cache / release.version.replace("/", "_")
    if not (folder / wanted.key).is_dir():
        return {}
    try:
        return release_texts(source_texts(fetch(wanted, folder), frozenset(LANGUAGES)))
    except FetchError:
        return {}


def _case(
    package: str, revision: Revision, texts: Texts, rng: np.random.Generator
) -> PlacedCase | None:
    """A random moment at which the next change follows from one that was made."""
    if len(revision.old) > _LONGEST_FILE:
        return None
    steps = revision.changes
    words = [changed_words(revision.old, step) for step in steps]
    moments = [
        at
        for at in range(1, len(steps))
        if any(words[at][0] & one[0] or words[at][1] & one[1] for one in words[:at])
    ]
    if not moments:
        return None
    at = int(rng.choice(moments))
    history, document = _played(revision, steps[:at])
    target = steps[at]
    first = document.line_of(_offset(revision, target, steps[:at]))
    old_lines = revision.old[target.start : target.end].count("\n")
    return PlacedCase(
        name=f"{package} {revision.path}",
        document=document,
        others=tuple(_near(revision.path, texts)),
        history=history,
        due=frozenset(document.line_of(_offset(revision, step, steps[:at])) for step in steps[at:]),
        target=(first, first + old_lines, target.text),
    )


def _played(revision: Revision, done: Sequence[Change]) -> tuple[EditHistory, DocumentSnapshot]:
    """The file after the changes, the newest of them in the history."""
    history = EditHistory()
    split = max(0, len(done) - _MOST_HISTORY)
    document = _document(revision.path, applied(revision.old, 0, len(revision.old), done[:split]))
    for at in range(split, len(done)):
        step = done[at]
        start = _offset(revision, step, done[:at])
        end = start + step.end - step.start
        after = document.replaced(start, end, step.text, version=document.version + 1)
        history.record(document, after, at * _BETWEEN_S)
        document = after
    return history, document


def _offset(revision: Revision, step: Change, done: Sequence[Change]) -> int:
    return len(applied(revision.old, 0, step.start, done))


def _document(path: str, text: str) -> DocumentSnapshot:
    place = Path("/") / PurePosixPath(path)
    language = LANGUAGES.get(place.suffix, "")
    return DocumentSnapshot(place.as_uri(), place, 1, language, text)


def _near(path: str, texts: Texts) -> Iterator[DocumentSnapshot]:
    """Other files of the folder, as a person might have them open."""
    folder = PurePosixPath(path).parent
    paths = [one for one in sorted(texts) if one != path and PurePosixPath(one).parent == folder]
    for one in paths[:_OTHERS]:
        if len(texts[one]) <= _LONGEST_FILE:
            yield _document(one, texts[one])
