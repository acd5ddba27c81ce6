"""Pieces of other open files that may help, chosen by the identifiers they share with the cursor.

A changed snippet costs the engine its whole context cache, which is seconds on a laptop. So the
choice depends on text that typing does not touch, and on ranks rather than times.
"""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from midspan_engine.protocol import Snippet
from midspan_server.syntax import Syntax, profile
from midspan_server.syntax.grammars import parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midspan_server.snapshot import DocumentSnapshot

MAX_DOCUMENTS = 8
# Indexing a document takes about 1 ms for each 10,000 characters.
MAX_INDEXED_CHARS = 60_000
_WINDOW_LINES = 24
_LONGEST_WINDOW_LINE = 300
_MAX_SNIPPETS = 3
_MIN_SHARED = 2
_DEFINED_WEIGHT = 3.0
_RECENCY_STEP = 0.15
_KEPT_DOCUMENTS = 32
_KEPT_ANSWERS = 8
_DEPTH = 3
_IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")
# Words that every file has; rarity alone does not find them when two files are open.
_EVERYDAY_WORDS = """
and async await break case catch char class const continue def default del elif else enum export
extends false final finally for from func function get global import impl int interface lambda let
match mod mut new nil none not null package pass private protected pub public raise return self set
static str string struct super switch this throw true try type typeof undefined use using var void
while with yield True False None
"""
_EVERYDAY = frozenset(_EVERYDAY_WORDS.split())


_Question: TypeAlias = tuple[tuple[int, ...], frozenset[tuple[str, int]], frozenset[str], int]


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A document that the editor has open; `last_used` in seconds of any steady clock."""

    snapshot: DocumentSnapshot
    last_used: float


@dataclass(frozen=True, slots=True)
class Window:
    """Some lines of a document, cut at definitions, and the identifiers in them."""

    text: str
    identifiers: frozenset[str]
    defined: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Index:
    """The windows of one text; `number` is never given twice."""

    snapshot: DocumentSnapshot
    number: int
    windows: tuple[Window, ...]


_indexed: OrderedDict[str, _Index] = OrderedDict()
_numbers = count()
# Typing changes neither the question nor the documents, so most answers are the last one.
_answers: OrderedDict[_Question, tuple[Snippet, ...]] = OrderedDict()


def identifiers(text: str) -> Counter[str]:
    """Identifiers of three letters or more, with how often they occur."""
    found = Counter(_IDENTIFIER.findall(text))
    for word in _EVERYDAY & found.keys():
        del found[word]
    return found


def index(snapshot: DocumentSnapshot) -> tuple[Window, ...]:
    """The windows of a document, kept until its text changes.

    `choose` indexes what it must. Called when a document is opened or left, this takes the time
    (8 ms for 60,000 characters) out of the next request.
    """
    return _index(snapshot).windows


def _index(snapshot: DocumentSnapshot) -> _Index:
    text = snapshot.text[:MAX_INDEXED_CHARS]
    found = _indexed.pop(snapshot.uri, None)
    if found is None or not _is_same(found.snapshot, snapshot):
        found = _Index(snapshot, next(_numbers), tuple(_cut(snapshot, text)))
    _indexed[snapshot.uri] = found
    while len(_indexed) > _KEPT_DOCUMENTS:
        _indexed.popitem(last=False)
    return found


def _is_same(known: DocumentSnapshot, snapshot: DocumentSnapshot) -> bool:
    if known is snapshot:
        return True
    same_text = known.text[:MAX_INDEXED_CHARS] == snapshot.text[:MAX_INDEXED_CHARS]
    return same_text and (known.language, known.path) == (snapshot.language, snapshot.path)


def forget(uri: str) -> None:
    """Drop the windows of a closed document."""
    _indexed.pop(uri, None)


def choose(
    query: Counter[str],
    documents: Sequence[OpenDocument],
    budget: int,
    enough: frozenset[str] = frozenset(),
) -> tuple[Snippet, ...]:
    """Choose windows of `documents` that share identifiers with `query`, most relevant last.

    Args:
        query: Identifiers around the cursor.
        documents: Others than the one being edited.
        budget: Characters of all snippets together.
        enough: Identifiers that are reason enough alone; of others a window has to share two.
    """
    ranked = sorted(documents, key=lambda document: -document.last_used)[:MAX_DOCUMENTS]
    indexes = [_index(document.snapshot) for document in ranked]
    question = (tuple(one.number for one in indexes), frozenset(query.items()), enough, budget)
    answer = _answers.pop(question, None)
    if answer is None:
        answer = _within(budget, _best(query, indexes, enough))
    _answers[question] = answer
    while len(_answers) > _KEPT_ANSWERS:
        _answers.popitem(last=False)
    return answer


def _best(
    query: Counter[str], indexes: list[_Index], enough: frozenset[str]
) -> list[tuple[str, DocumentSnapshot]]:
    rarity = _rarity(window for one in indexes for window in one.windows)
    scored = [
        (
            _score(query, window, rarity, enough) / (1 + _RECENCY_STEP * rank),
            -order,
            window.text,
            one,
        )
        for rank, one in enumerate(indexes)
        for order, window in enumerate(one.windows)
    ]
    scored = [entry for entry in scored if entry[0] > 0]
    scored.sort(key=lambda entry: (entry[0], entry[3].number, entry[1]), reverse=True)
    return [(text, one.snapshot) for _, _, text, one in scored[:_MAX_SNIPPETS]]


def _within(budget: int, best: list[tuple[str, DocumentSnapshot]]) -> tuple[Snippet, ...]:
    chosen: list[Snippet] = []
    for text, snapshot in best:
        kept = _whole_lines(text, budget)
        if not kept:
            break
        budget -= len(kept)
        chosen.append(Snippet(path=shown_path(snapshot), text=kept))
    return tuple(reversed(chosen))


def _whole_lines(text: str, budget: int) -> str:
    if len(text) <= budget:
        return text
    return text[: text.rfind("\n", 0, budget + 1) + 1].rstrip("\n")


def shown_path(snapshot: DocumentSnapshot) -> str:
    """File and folder; more of a path costs tokens and says little."""
    if snapshot.path is None:
        return snapshot.uri.rsplit("/", 1)[-1]
    return "/".join(snapshot.path.parts[-2:]).lstrip("/")


def _rarity(pool: Iterable[Window]) -> dict[str, float]:
    """Inverse document frequency of each identifier over all windows."""
    counts: Counter[str] = Counter()
    total = 0
    for window in pool:
        counts.update(window.identifiers)
        total += 1
    return {word: math.log(1 + total / (1 + count)) for word, count in counts.items()}


def _score(
    query: Counter[str], window: Window, rarity: dict[str, float], enough: frozenset[str]
) -> float:
    """Shared rare identifiers over the window's size; a window that defines one counts more."""
    shared = window.identifiers & query.keys()
    if len(shared) < _MIN_SHARED and not shared & (window.defined | enough):
        return 0.0
    # The square root keeps a word that is everywhere around the cursor from deciding alone.
    weight = sum(
        rarity[word] * math.sqrt(query[word]) * (_DEFINED_WEIGHT if word in window.defined else 1)
        for word in shared
    )
    return weight / math.sqrt(8 + len(window.identifiers))


def _cut(snapshot: DocumentSnapshot, text: str) -> Iterable[Window]:
    borders = _definition_lines(snapshot.language, text)
    lines = text.split("\n")
    start = 0
    for line in range(1, len(lines) + 1):
        full = line - start >= _WINDOW_LINES
        if line == len(lines) or full or line in borders:
            window = _window(lines[start:line], snapshot.language)
            if window is not None:
                yield window
            start = line


def _window(lines: list[str], language: str) -> Window | None:
    text = "\n".join(lines).strip("\n").rstrip()
    if not text or max(map(len, lines)) > _LONGEST_WINDOW_LINE:
        return None
    found = identifiers(text)
    first = next(line for line in lines if line.strip())
    is_import = profile(language).import_line.match(first)
    defined = frozenset() if is_import else frozenset(identifiers(first.partition("(")[0]))
    return Window(text, frozenset(found), defined)


def _definition_lines(language: str, text: str) -> frozenset[int]:
    """Numbers of the lines at which a definition starts; long ones are looked into."""
    if parser(language) is None:
        return frozenset()
    kinds = profile(language).definitions
    found: set[int] = set()
    # Not through the cache of trees: this one is needed once.
    waiting = [(Syntax.from_text(language, text).tree.root_node, 0)]
    while waiting:
        node, depth = waiting.pop()
        for child in node.children:
            if child.type in kinds:
                found.add(child.start_point.row)
            long = child.end_point.row - child.start_point.row > _WINDOW_LINES
            if depth < _DEPTH and long:
                waiting.append((child, depth + 1))
    return frozenset(found)
