"""New names for old ones, in the style of the old."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    import numpy as np

_WORDS = (
    "source", "target", "current", "local", "base", "input", "raw", "user", "item", "value",
    "entry", "node", "key", "name", "path", "data", "info", "result", "state", "options", "config",
    "handler", "callback", "payload", "request", "response", "message", "event", "record", "index",
    "count", "size", "limit", "offset", "start", "end", "first", "last", "parent", "child", "root",
    "default", "inner", "outer", "new", "old", "next", "previous", "temp", "cached", "buffer",
    "stream", "text", "line", "token", "type", "kind", "field", "query", "filter", "timeout",
)  # fmt: skip
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_RESERVED = frozenset({
    "default", "new", "type", "end", "next", "filter", "input", "in", "is", "for", "if", "match",
    "interface", "package", "range", "move", "ref", "value",
})  # fmt: skip


def new_name(old: str, taken: AbstractSet[str], rng: np.random.Generator) -> str:
    """A name that is not taken: with a word more, less or replaced."""
    parts = [part.lower() for part in _PART.findall(old)] or ["name"]
    for _ in range(20):
        word = str(rng.choice(_WORDS))
        lot = float(rng.random())
        if lot < 0.35 or len(parts) == 1:  # noqa: PLR2004 - shares
            words = [word, *parts] if lot < 0.2 else [*parts, word] if lot < 0.35 else [word]  # noqa: PLR2004
        elif lot < 0.6:  # noqa: PLR2004
            gone = int(rng.integers(len(parts)))
            words = parts[:gone] + parts[gone + 1 :]
        else:
            changed = int(rng.integers(len(parts)))
            words = [*parts[:changed], word, *parts[changed + 1 :]]
        name = _in_style(words, old)
        if name not in taken and name not in _RESERVED and not name[0].isdigit():
            return name
    return f"{old}2"


def _in_style(words: list[str], old: str) -> str:
    leading = old[: len(old) - len(old.lstrip("_"))]
    if old.isupper():
        return leading + "_".join(words).upper()
    if "_" in old.strip("_") or (old.islower() and len(_PART.findall(old)) == 1 and leading):
        return leading + "_".join(words)
    if old[len(leading) : len(leading) + 1].isupper():
        return leading + "".join(word.capitalize() for word in words)
    if old.islower():
        return leading + "_".join(words)
    return leading + words[0] + "".join(word.capitalize() for word in words[1:])
