"""Where the next edit may be: pieces of open documents, ranked without a model.

Each source names lines with a weight; nearby lines become one region. Sources are asked in the
order of their worth, and the clock is looked at between documents: what is late is left out.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from midspan_server import syntax
from midspan_server.next_edit.headers import changed_from_outside
from midspan_server.next_edit.hunks import Hunk, hunks
from midspan_server.next_edit.occurrences import nearest
from midspan_server.next_edit.renames import names, renames
from midspan_server.next_edit.tokens import model_tokens, shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from midspan_server.history import EditHistory
    from midspan_server.snapshot import DocumentSnapshot

Reason = Literal["renamed", "caller", "reference", "definition", "similar", "import", "near"]

REGION_LINES = 18
REGION_CHARS = 600  # about 150 tokens
REGION_TOKENS = 205  # the engine takes 208, and the estimate is above the truth
_WEIGHTS: dict[Reason, float] = {
    "renamed": 1.0,
    "caller": 0.8,
    "reference": 0.75,
    "definition": 0.7,
    "similar": 0.6,
    "import": 0.5,
    "near": 0.35,
}
_OTHER_FILE = 0.8
_OLDER_HUNK = 0.6
_HUNKS = 3
_MOST_NAMES = 6
_MOST_HITS = 60
# How far from a hunk its neighbourhood is looked at, and what that is worth there.
_RINGS = {1: 1.0, 14: 0.7, 28: 0.5}
# What a distance of this many lines takes from a weight: half.
_HALF_AT = 150
_EVERY = 64
_FIRST = re.compile(r"\w+|.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Lines that may have to change.

    Attributes:
        uri: Of the document.
        version: Of the document that the lines are numbered in.
        start_line: First line.
        end_line: Line behind the last one.
        reason: Why, by the strongest source.
        score: 0..1; only the order means something.
    """

    uri: str
    version: int
    start_line: int
    end_line: int
    reason: Reason
    score: float


@dataclass(frozen=True, slots=True)
class _Hit:
    document: DocumentSnapshot
    line: int
    reason: Reason
    weight: float


def candidates(
    history: EditHistory,
    documents: Sequence[DocumentSnapshot],
    limit: int,
    budget_ms: float,
) -> list[Candidate]:
    """The best regions for the newest edits, best first; no two share a line.

    Args:
        history: What was changed.
        documents: What may be read, latest used first.
        limit: Most regions.
        budget_ms: Time after which no further source is asked.
    """
    deadline = time.perf_counter() + budget_ms / 1e3
    recent = [one for one in hunks(history, 2 * _HUNKS) if not one.is_formatting][-_HUNKS:]
    found: list[_Hit] = []
    searched: set[tuple[str, str]] = set()
    for age, hunk in enumerate(reversed(recent)):
        found += [
            _Hit(hit.document, hit.line, hit.reason, hit.weight * _OLDER_HUNK**age)
            for hit in _hits(hunk, documents, searched, deadline)
        ]
        if time.perf_counter() > deadline:
            break
    return _regions(found, limit)


def _hits(
    hunk: Hunk,
    documents: Sequence[DocumentSnapshot],
    searched: set[tuple[str, str]],
    deadline: float,
) -> Iterator[_Hit]:
    """Lines that the hunk points to; those that it wrote are no news.

    `searched` has the names that newer hunks looked for, by document.
    """
    home = next((one for one in documents if one.uri == hunk.uri), None)
    if home is not None:
        yield from _near(hunk, home)
    ordered = sorted(documents, key=lambda one: one.uri != hunk.uri)
    wanted = _wanted(hunk, home)
    for is_by_name in (True, False):
        for document in ordered:
            if time.perf_counter() > deadline:
                return
            if is_by_name:
                new = {
                    one: why for one, why in wanted.items() if (document.uri, one) not in searched
                }
                searched.update((document.uri, one) for one in new)
                hits = _named(hunk, document, new)
            else:
                hits = _similar(hunk, document)
            for count, hit in enumerate(hits):
                if count % _EVERY == _EVERY - 1 and time.perf_counter() > deadline:
                    return
                is_own = document.uri == hunk.uri
                if is_own and hunk.line <= hit.line <= hunk.last_line and hunk.after:
                    continue
                distance = abs(hit.line - hunk.line) if is_own else 0
                nearness = _HALF_AT / (_HALF_AT + distance) if is_own else _OTHER_FILE
                yield _Hit(document, hit.line, hit.reason, hit.weight * nearness)


def _near(hunk: Hunk, document: DocumentSnapshot) -> Iterator[_Hit]:
    for away, share in _RINGS.items():
        for line in (hunk.last_line + away, hunk.line - away):
            if 0 <= line < document.line_count:
                yield _Hit(document, line, "near", _WEIGHTS["near"] * share)


def _wanted(hunk: Hunk, home: DocumentSnapshot | None) -> dict[str, Reason]:
    """Names to look for, and why: renamed ones first, callers, those gone, new ones."""
    tree = syntax.parse(home) if home is not None else None
    changed = names(hunk)
    found: dict[str, Reason] = {one.old: "renamed" for one in renames(hunk)}
    if home is not None and tree is not None:
        found = {**dict.fromkeys(changed_from_outside(hunk, home, tree), "caller"), **found}
    for name in (*sorted(changed.removed), *sorted(changed.added)):
        found.setdefault(name, "reference")
    first = sorted(found.items(), key=lambda one: -_WEIGHTS[one[1]])
    return dict(first[:_MOST_NAMES])


def _named(hunk: Hunk, document: DocumentSnapshot, wanted: dict[str, Reason]) -> Iterator[_Hit]:
    """Where the names stand in a document."""
    tree = syntax.parse(document) if wanted else None
    if tree is None:
        return
    imports = syntax.profile(document.language).imports
    at = document.line_starts[hunk.line] if hunk.line < document.line_count else 0
    byte = tree.byte_of(at) if document.uri == hunk.uri else 0
    for name, why in wanted.items():
        for one in nearest(tree, name, byte, _MOST_HITS):
            reason = why
            if reason != "renamed" and _is_in(one.node.parent, imports):
                reason = "import"
            elif reason != "renamed" and one.binding is not None:
                reason = "definition"
            # The tree knows no line ends but LF.
            line = min(one.node.start_point.row, document.line_count - 1)
            yield _Hit(document, line, reason, _WEIGHTS[reason])


def _is_in(node: object, kinds: frozenset[str]) -> bool:
    for _ in range(3):
        if node is None:
            return False
        if getattr(node, "type", "") in kinds:
            return True
        node = getattr(node, "parent", None)
    return False


def _similar(hunk: Hunk, document: DocumentSnapshot) -> Iterator[_Hit]:
    """Lines that look as a changed line did, or begin and end like it."""
    wanted = {
        shape(line): _first(line.strip())
        for line in hunk.before
        if line.strip() and any(map(str.isalpha, line))
    }
    if not wanted:
        return
    # Only lines that begin with the same word are tokenised: 5,000 others cost too much.
    starts = "|".join(
        re.escape(word) + (r"\b" if word[-1].isalnum() else "") for word in set(wanted.values())
    )
    for found in re.finditer(rf"^[^\S\r\n]*(?:{starts})[^\r\n]*", document.text, re.MULTILINE):
        if shape(found[0]) in wanted:
            line = document.line_of(found.start())
            yield _Hit(document, line, "similar", _WEIGHTS["similar"])


def _first(line: str) -> str:
    """The first word of a line, or its first sign."""
    found = _FIRST.match(line)
    return found[0] if found else ""


def _regions(found: list[_Hit], limit: int) -> list[Candidate]:
    """The strongest hits with the lines around them; a hit inside a region adds to its score.

    One source with many hits must not hide what the others found: half of the regions are its own
    at most, unless there is nothing else.
    """
    made: list[Candidate] = []
    late: list[_Hit] = []
    of_reason: Counter[str] = Counter()
    waiting = deque(sorted(found, key=lambda one: -one.weight))
    while waiting:
        hit = waiting.popleft()
        inside = next((at for at, one in enumerate(made) if _holds(one, hit)), None)
        if inside is not None:
            known = made[inside]
            made[inside] = _scored(known, known.score + (1 - known.score) * hit.weight * 0.1)
        elif hit.reason != "renamed" and of_reason[hit.reason] > limit // 2:
            late.append(hit)
        elif len(made) < limit:
            of_reason[hit.reason] += 1
            made.append(_region(hit, made))
        if not waiting and len(made) < limit:
            waiting, late = deque(late), []
            of_reason.clear()
    return sorted(made, key=lambda one: -one.score)


def _holds(region: Candidate, hit: _Hit) -> bool:
    return region.uri == hit.document.uri and region.start_line <= hit.line < region.end_line


def _scored(region: Candidate, score: float) -> Candidate:
    return Candidate(
        uri=region.uri,
        version=region.version,
        start_line=region.start_line,
        end_line=region.end_line,
        reason=region.reason,
        score=min(score, 1.0),
    )


def _region(hit: _Hit, others: list[Candidate]) -> Candidate:
    """As many lines around a hit as a region takes, in turn below and above."""
    document = hit.document
    taken = [(one.start_line, one.end_line) for one in others if one.uri == document.uri]
    low = max((end for _, end in taken if end <= hit.line), default=0)
    high = min((start for start, _ in taken if start > hit.line), default=document.line_count)
    start, end = hit.line, hit.line + 1
    chars, tokens = _size(document, hit.line)
    free = range(low, high)
    grows = True
    while grows and end - start < REGION_LINES:
        grows = False
        for line in (end, start - 1):
            if line not in free or end - start >= REGION_LINES:
                continue
            more = _size(document, line)
            if chars + more[0] <= REGION_CHARS and tokens + more[1] <= REGION_TOKENS:
                chars, tokens = chars + more[0], tokens + more[1]
                start, end = min(start, line), max(end, line + 1)
                grows = True
    return Candidate(
        uri=document.uri,
        version=document.version,
        start_line=start,
        end_line=end,
        reason=hit.reason,
        score=min(hit.weight, 1.0),
    )


def _size(document: DocumentSnapshot, line: int) -> tuple[int, int]:
    """Characters and tokens of a line with its end."""
    text = document.text[document.line_starts[line] : document.line_end(line)]
    return len(text) + 1, model_tokens(text) + 1
