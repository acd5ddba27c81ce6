"""Which of many scopes is the innermost around a place, without asking each of them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import tree_sitter

Span = tuple[int, int]
"""First byte, and the byte behind the last one."""

_WHOLE = (-1, 1 << 62)


def span_of(scope: tree_sitter.Node | None) -> Span:
    """The bytes of a scope; None is the whole file."""
    return _WHOLE if scope is None else (scope.start_byte, scope.end_byte)


def is_inside(at: int, scope: tree_sitter.Node | None) -> bool:
    """Whether the byte `at` stands in a scope."""
    return scope is None or scope.start_byte <= at < scope.end_byte


class Nesting:
    """Spans of a tree: two of them are apart, or one holds the other.

    Args:
        spans: In any order; one that comes twice counts once.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = sorted(set(spans), key=lambda span: (span[0], -span[1]))
        self._starts = [start for start, _ in self._spans]
        self._around: list[int] = []
        opened: list[int] = []
        for index, (start, _) in enumerate(self._spans):
            while opened and self._spans[opened[-1]][1] <= start:
                opened.pop()
            self._around.append(opened[-1] if opened else -1)
            opened.append(index)

    def innermost(self, at: int) -> Span | None:
        """The smallest span with the byte `at`; None where there is none."""
        index = bisect_right(self._starts, at) - 1
        while index >= 0 and self._spans[index][1] <= at:
            index = self._around[index]
        return self._spans[index] if index >= 0 else None
