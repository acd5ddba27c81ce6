"""Cut training contexts out of source files: prefix, a span as completions are, suffix."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from midspan_engine.training.data_shards import Corpus

_WINDOW_TOKENS = 1_100
_CHARS_PER_TOKEN = 3.3
_OPENER = re.compile(r"[:{(\[]\s*$")
_SHARES = {"python": 0.5, "typescript": 0.18, "javascript": 0.12}
_KINDS = ("rest_of_line", "inside", "line", "lines", "block", "long")
_KIND_SHARES = (0.18, 0.1, 0.17, 0.2, 0.2, 0.15)
_TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Specials:
    """Ids of the marker tokens."""

    prefix: int
    suffix: int
    middle: int
    end: int

    @property
    def stops(self) -> frozenset[int]:
        """Tokens that never belong to a middle."""
        return frozenset((self.prefix, self.suffix, self.middle, self.end))

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Specials:
        """Look the markers up.

        Raises:
            ValueError: the tokenizer has no fill-in-the-middle markers.
        """
        names = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|endoftext|>")
        ids = [found for name in names if (found := tokenizer.token_to_id(name)) is not None]
        if len(ids) != len(names):
            raise ValueError("this tokenizer has no fill-in-the-middle markers")
        return cls(prefix=ids[0], suffix=ids[1], middle=ids[2], end=ids[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One prompt with the true middle behind it."""

    ids: np.ndarray
    """int64 `[tokens]`: prefix, suffix and middle with their markers, in FIM order."""
    middle_start: int
    """Index of the first middle token; the marker is just before it."""
    prefix_end: int
    """One past the last prefix token."""
    ends: bool
    """Whether the span ends with the last token of `ids`, so that EOS follows."""


def write_contexts(path: Path, contexts: Sequence[Context]) -> None:
    """Keep contexts as JSON, atomically."""
    items = [{**asdict(context), "ids": context.ids.tolist()} for context in contexts]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(items), encoding="utf-8")
    temporary.replace(path)


def read_contexts(path: Path) -> list[Context]:
    """What `write_contexts` kept."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return [Context(**{**item, "ids": np.array(item["ids"], dtype=np.int64)}) for item in raw]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLimits:
    """Longest parts, in tokens."""

    prefix: int = 448
    suffix: int = 192
    middle: int = 160
    no_suffix_share: float = 0.12


class SpanSampler:
    """Draws contexts from a corpus; the same generator state gives the same context."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, limits: SpanLimits) -> None:
        self.tokenizer = tokenizer
        self.limits = limits
        self.specials = Specials.of(tokenizer)
        self.languages = sorted(corpus.files)
        shares = np.array([_SHARES.get(name, 0.04) for name in self.languages])
        self.shares = shares / shares.sum()
        self.files = [corpus.files[name] for name in self.languages]
        self.ends = [np.cumsum([len(file) for file in files]) for files in self.files]

    def draw(self, rng: np.random.Generator) -> Context:
        """One context.

        Raises:
            ValueError: the corpus holds no text that a span can be cut from.
        """
        for _ in range(_TRIES):
            pieces = cut_span(self._window(rng), rng, self._prefix_chars(rng))
            if pieces is not None:
                return self._encode(pieces, rng)
        raise ValueError("the training files are too short to cut spans from")

    def _prefix_chars(self, rng: np.random.Generator) -> int:
        return int(_length(32, self.limits.prefix, rng) * _CHARS_PER_TOKEN)

    def _window(self, rng: np.random.Generator) -> str:
        language = int(rng.choice(len(self.files), p=self.shares))
        ends = self.ends[language]
        at = int(rng.integers(int(ends[-1])))
        index = int(np.searchsorted(ends, at, side="right"))
        file = self.files[language][index]
        start = max(0, min(at - int(ends[index] - len(file)), len(file) - _WINDOW_TOKENS // 2))
        piece = file[start : start + _WINDOW_TOKENS].tolist()
        text = str(self.tokenizer.decode(piece, skip_special_tokens=False))
        return text if start == 0 else text[text.find("\n") + 1 :]

    def _encode(self, pieces: tuple[str, str, str], rng: np.random.Generator) -> Context:
        limits, specials = self.limits, self.specials
        prefix, middle, suffix = (
            self.tokenizer.encode(text, add_special_tokens=False).ids for text in pieces
        )
        prefix = prefix[-limits.prefix :]
        bare = rng.random() < limits.no_suffix_share
        suffix = [] if bare else suffix[: _length(16, limits.suffix, rng)]
        ends = len(middle) <= limits.middle
        head = [specials.prefix, *prefix, specials.suffix, *suffix, specials.middle]
        ids = np.array(head + middle[: limits.middle], dtype=np.int64)
        return Context(ids=ids, middle_start=len(head), prefix_end=1 + len(prefix), ends=ends)


def _length(shortest: int, longest: int, rng: np.random.Generator) -> int:
    """Short ones more often: they cost less and teach nearly the same."""
    return shortest + int((longest - shortest) * float(rng.random()) ** 2)


def cut_span(text: str, rng: np.random.Generator, prefix_chars: int) -> tuple[str, str, str] | None:
    """(prefix, middle, suffix) with the span near `prefix_chars`; None if nothing fits there."""
    lines = text.splitlines(keepends=True)
    starts = np.cumsum([0, *map(len, lines)])
    first = int(np.searchsorted(starts, min(prefix_chars, len(text) * 2 // 3)))
    kind = str(rng.choice(_KINDS, p=_KIND_SHARES))
    if kind == "block":
        first, last = _block_body(lines, first)
    else:
        while first < len(lines) and not lines[first].strip():
            first += 1
        last = first + line_count(kind, rng)
    last = min(last, len(lines))
    if first >= last:
        return None
    begin, end = int(starts[first]), int(starts[last])
    if kind == "inside":
        begin, end = stretch(
            text, begin, min(int(starts[min(first + 3, len(lines))]), len(text)), rng
        )
        middle = text[begin:end]
        return (text[:begin], middle, text[end:]) if middle.strip() else None
    begin += column_of(lines[first], kind, rng)
    # The line break after the span belongs to the suffix, now and then to the span.
    if text[begin:end].endswith("\n") and rng.random() > 0.2:  # noqa: PLR2004 - share
        end -= 1
    middle = text[begin:end]
    return (text[:begin], middle, text[end:]) if middle.strip() else None


def stretch(text: str, first: int, last: int, rng: np.random.Generator) -> tuple[int, int]:
    """From one word border to another, mostly in the same line: text stands on both sides."""
    borders = [first + match.start() for match in re.finditer(r"\b|(?<=\W)", text[first:last])]
    if len(borders) < 2:  # noqa: PLR2004 - two ends
        return first, last
    begin = int(rng.integers(len(borders) - 1))
    length = 1 + int((len(borders) - 1 - begin) * float(rng.random()) ** 3)
    return borders[begin], borders[min(begin + length, len(borders) - 1)]


def line_count(kind: str, rng: np.random.Generator) -> int:
    if kind == "lines":
        return int(rng.integers(2, 7))
    return int(rng.integers(6, 20)) if kind == "long" else 1


def column_of(line: str, kind: str, rng: np.random.Generator) -> int:
    indent = len(line) - len(line.lstrip())
    if kind == "rest_of_line":
        borders = [match.start() for match in re.finditer(r"\b|(?<=\W)", line.rstrip())]
        inside = [border for border in borders if border >= indent]
        return int(rng.choice(inside)) if inside else indent
    return int(rng.choice([0, indent]))


def _block_body(lines: list[str], first: int) -> tuple[int, int]:
    for index in range(first, len(lines) - 1):
        if not _OPENER.search(lines[index].rstrip("\n")):
            continue
        outer = len(lines[index]) - len(lines[index].lstrip())
        last = index + 1
        while last < len(lines) and (not lines[last].strip() or _indent(lines[last]) > outer):
            last += 1
        while last > index + 1 and not lines[last - 1].strip():
            last -= 1
        if last > index + 1:
            return index + 1, last
    return len(lines), len(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
