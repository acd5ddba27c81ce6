"""One syntax tree bound to one text; offsets are code points outside, bytes inside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from midspan_server.syntax.grammars import parser

if TYPE_CHECKING:
    import tree_sitter

# Lone surrogates reach us from editors that count in UTF-16 units. They become "?", one byte for
# one code point, so that offsets stay right; only lengths are ever read back from the bytes.
_ON_SURROGATES = "replace"
_INTERPOLATIONS = frozenset(
    {
        "interpolation",
        "template_substitution",
        "string_interpolation",
        "command_substitution",
        "expansion",
        "simple_expansion",
    }
)


class Zone(Enum):
    """What kind of text an offset stands in."""

    CODE = "code"
    COMMENT = "comment"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Damage:
    """Outermost ERROR and MISSING nodes of a tree: how many, and how many bytes they span."""

    places: int
    size: int

    def is_within(self, known: Damage, added: str) -> bool:
        """Whether `added` did no harm to a text that had the damage `known`.

        In broken code one wide error may become two narrow ones when something is mended, so
        either measure may speak for the change. A wide error grows by what is put into it.
        """
        if known.places == 0:
            return self.places == 0
        return self.places <= known.places or self.size <= known.size + len(_encode(added))


@dataclass(frozen=True, slots=True, eq=False)
class Syntax:
    """A parsed text. `data` is `text` in UTF-8; `tree` refers to its bytes."""

    language: str
    text: str
    data: bytes
    tree: tree_sitter.Tree

    @classmethod
    def from_text(cls, language: str, text: str) -> Syntax:
        """Parse from scratch.

        Raises:
            ValueError: the language has no grammar.
        """
        data = _encode(text)
        return cls(language, text, data, _parse(language, data, None))

    def retyped(self, text: str) -> Syntax:
        """The tree of `text`, which differs from this one's in one place (or little)."""
        if text == self.text:
            return self
        start = common_prefix(self.text, text)
        tail = common_suffix(self.text, text, min(len(self.text), len(text)) - start)
        return self.replaced(start, len(self.text) - tail, text[start : len(text) - tail])

    def replaced(self, start: int, end: int, replacement: str) -> Syntax:
        """The tree as if code points `start` to `end` were `replacement`."""
        first, last = self.byte_of(start), self.byte_of(end)
        inserted = _encode(replacement)
        data = self.data[:first] + inserted + self.data[last:]
        new_last = first + len(inserted)
        begin = _point(self.data, first)
        tree = self.tree.copy()
        tree.edit(
            start_byte=first,
            old_end_byte=last,
            new_end_byte=new_last,
            start_point=begin,
            old_end_point=_moved(begin, self.data[first:last]),
            new_end_point=_moved(begin, inserted),
        )
        text = self.text[:start] + replacement + self.text[end:]
        return Syntax(self.language, text, data, _parse(self.language, data, tree))

    def byte_of(self, offset: int) -> int:
        """Byte of a code point offset."""
        if len(self.data) == len(self.text):
            return offset
        return len(_encode(self.text[:offset]))

    def offset_of(self, byte: int) -> int:
        """Code point offset of a byte that starts a character."""
        if len(self.data) == len(self.text):
            return byte
        return len(self.data[:byte].decode("utf-8", "replace"))

    def zone(self, offset: int) -> Zone:
        """Whether the cursor at `offset` stands in code, in a comment or in a string."""
        if offset == 0:
            return Zone.CODE
        at = self.byte_of(offset)
        node = self.tree.root_node.descendant_for_byte_range(at - 1, at)
        while node is not None:
            zone = self._zone_of(node, at)
            if zone is not None:
                return zone
            node = node.parent
        return Zone.CODE

    def _zone_of(self, node: tree_sitter.Node, at: int) -> Zone | None:
        """The zone that `node` decides for byte `at` inside or right behind it, if it does."""
        kind = node.type
        if "comment" in kind:
            closed = self.data[node.start_byte : node.end_byte].endswith((b"*/", b"-->", b"]]"))
            return Zone.COMMENT if at < node.end_byte or not closed else None
        if kind in _INTERPOLATIONS and at < node.end_byte:
            return Zone.CODE
        if node.is_named and ("string" in kind or kind in {"heredoc_body", "char_literal"}):
            return Zone.STRING if node.start_byte < at < node.end_byte else None
        return None

    def first_node(self, offset: int) -> tree_sitter.Node:
        """The largest node, below the root, that starts at `offset`; or the smallest there is."""
        at = self.byte_of(offset)
        node = self.tree.root_node.descendant_for_byte_range(at, at + 1) or self.tree.root_node
        while (
            (parent := node.parent) is not None
            and parent.parent is not None
            and parent.start_byte == at
        ):
            node = parent
        return node

    def damage(self) -> Damage:
        """What of the text does not parse."""
        return _damage(self.tree)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", _ON_SURROGATES)


def _parse(language: str, data: bytes, old: tree_sitter.Tree | None) -> tree_sitter.Tree:
    chosen = parser(language)
    if chosen is None:
        raise ValueError(f"there is no grammar for {language!r}")
    tree = chosen.parse(data) if old is None else chosen.parse(data, old)
    if tree is None:
        raise ValueError(f"the {language!r} parser gave no tree")
    return tree


def _point(data: bytes, byte: int) -> tuple[int, int]:
    return data.count(b"\n", 0, byte), byte - data.rfind(b"\n", 0, byte) - 1


def _moved(point: tuple[int, int], text: bytes) -> tuple[int, int]:
    """Row and column behind `text` that starts at `point`."""
    lines = text.count(b"\n")
    if lines == 0:
        return point[0], point[1] + len(text)
    return point[0] + lines, len(text) - text.rfind(b"\n") - 1


@lru_cache(maxsize=8)
def _damage(tree: tree_sitter.Tree) -> Damage:
    """Only branches that contain an error are entered, so a sound file costs one look."""
    waiting, places, size = [tree.root_node], 0, 0
    while waiting:
        node = waiting.pop()
        if not node.has_error:
            continue
        if node.is_error or node.is_missing:
            places += 1
            size += node.end_byte - node.start_byte
        else:
            waiting.extend(node.children)
    return Damage(places, size)


def common_prefix(first: str, second: str) -> int:
    """Length of the longest common start; by halving, as comparing slices runs at memory speed."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def common_suffix(first: str, second: str, limit: int) -> int:
    """Length of the longest common end, at most `limit`."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if (
            first[len(first) - middle : len(first) - low]
            == second[len(second) - middle : len(second) - low]
        ):
            low = middle
        else:
            high = middle - 1
    return low
