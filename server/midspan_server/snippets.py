"""Pieces of other open files that may help, chosen by the identifiers they share with the cursor.

A changed snippet costs the engine its whole context cache, which is seconds on a laptop. So the
choice depends on text that typing does not touch, and on ranks rather than times.
"""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.protocol import Snippet

from midspan_server.syntax import parse, profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import Syntax

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
_IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")
# Words that every file has; rarity alone does not find them when two files are open.
_EVERYDAY = frozenset(
    [
        "and",
        "async",
        "await",
        "break",
        "case",
        "catch",
        "char",
        "class",
        "const",
        "continue",
        "def",
        "default",
        "del",
        "elif",
        "else",
        "enum",
        "export",
        "extends",
        "false",
        "final",
        "finally",
        "for",
        "from",
        "func",
        "function",
        "get",
        "global",
        "import",
        "impl",
        "int",
        "interface",
        "lambda",
        "let",
        "match",
        "mod",
        "mut",
        "new",
        "nil",
        "none",
        "not",
        "null",
        "package",
        "pass",
        "private",
        "protected",
        "pub",
        "public",
        "raise",
        "return",
        "self",
        "set",
        "static",
        "str",
        "string",
        "struct",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "type",
        "typeof",
        "undefined",
        "use",
        "using",
        "var",
        "void",
        "while",
        "with",
        "yield",
        "True",
        "False",
        "None",
    ]
)


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


_windows: OrderedDict[str, tuple[str, tuple[Window, ...]]] = OrderedDict()


def identifiers(text: str) -> Counter[str]:
    """Identifiers of three letters or more, with how often they occur."""
    found = Counter(_IDENTIFIER.findall(text))
    for word in _EVERYDAY & found.keys():
        del found[word]
    return found


def windows(snapshot: DocumentSnapshot) -> tuple[Window, ...]:
    """The windows of a document, kept until its text changes."""
    text = snapshot.text[:MAX_INDEXED_CHARS]
    known = _windows.pop(snapshot.uri, None)
    found = known[1] if known is not None and known[0] == text else tuple(_cut(snapshot))
    _windows[snapshot.uri] = (text, found)
    while len(_windows) > _KEPT_DOCUMENTS:
        _windows.popitem(last=False)
    return found


def forget(uri: str) -> None:
    """Drop the windows of a closed document."""
    _windows.pop(uri, None)


def choose(
    query: Counter[str], documents: Sequence[OpenDocument], budget: int
) -> tuple[Snippet, ...]:
    """Choose windows of `documents` that share identifiers with `query`, most relevant last.

    Args:
        query: Identifiers around the cursor.
        documents: Others than the one being edited.
        budget: Characters of all snippets together.
    """
    ranked = sorted(documents, key=lambda document: -document.last_used)[:MAX_DOCUMENTS]
    pool = [
        (window, 1 / (1 + _RECENCY_STEP * rank), document.snapshot)
        for rank, document in enumerate(ranked)
        for window in windows(document.snapshot)
    ]
    rarity = _rarity(window for window, _, _ in pool)
    scored = [
        (score * recency, -order, window.text, snapshot)
        for order, (window, recency, snapshot) in enumerate(pool)
        if (score := _score(query, window, rarity)) > 0
    ]
    scored.sort(key=lambda entry: entry[:2], reverse=True)
    return _within(budget, [(text, snapshot) for _, _, text, snapshot in scored[:_MAX_SNIPPETS]])


def _within(budget: int, best: list[tuple[str, DocumentSnapshot]]) -> tuple[Snippet, ...]:
    chosen: list[Snippet] = []
    for text, snapshot in best:
        kept = _whole_lines(text, budget)
        if not kept:
            break
        budget -= len(kept)
        chosen.append(Snippet(path=_shown_path(snapshot), text=kept))
    return tuple(reversed(chosen))


def _whole_lines(text: str, budget: int) -> str:
    if len(text) <= budget:
        return text
    return text[: text.rfind("\n", 0, budget + 1) + 1].rstrip("\n")


def _shown_path(snapshot: DocumentSnapshot) -> str:
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


def _score(query: Counter[str], window: Window, rarity: dict[str, float]) -> float:
    """Shared rare identifiers over the window's size; a window that defines one counts more."""
    shared = window.identifiers & query.keys()
    if len(shared) < _MIN_SHARED and not shared & window.defined:
        return 0.0
    # The square root keeps a word that is everywhere around the cursor from deciding alone.
    weight = sum(
        rarity[word] * math.sqrt(query[word]) * (_DEFINED_WEIGHT if word in window.defined else 1)
        for word in shared
    )
    return weight / math.sqrt(8 + len(window.identifiers))


def _cut(snapshot: DocumentSnapshot) -> Iterable[Window]:
    syntax = parse(snapshot)
    borders = frozenset() if syntax is None else _definition_lines(syntax)
    names = {} if syntax is None else dict[int, str]()
    del names
    lines = snapshot.text[:MAX_INDEXED_CHARS].splitlines()
    start = 0
    for line in range(1, len(lines) + 1):
        full = line - start >= _WINDOW_LINES
        if line == len(lines) or full or (line in borders and lines[line].strip()):
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


def _definition_lines(syntax: Syntax) -> frozenset[int]:
    """Numbers of the lines at which a definition starts, classes opened one level deep."""
    kinds = profile(syntax.language).definitions
    found: set[int] = set()
    waiting = [(syntax.tree.root_node, 0)]
    while waiting:
        node, depth = waiting.pop()
        for child in node.children:
            if child.type in kinds:
                found.add(child.start_point.row)
            if depth < 3 and child.end_point.row - child.start_point.row > _WINDOW_LINES:
                waiting.append((child, depth + 1))
    return frozenset(found)
