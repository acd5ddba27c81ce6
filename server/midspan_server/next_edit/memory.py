"""What became of the edits that were offered: a refused one is not offered again."""

from __future__ import annotations

import itertools
import os
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_server.next_edit.proposal import Proposal

_REMEMBERED = 200
# Who sends two places of a rename away does not want the third.
_MOST_REFUSALS = 2


@dataclass(frozen=True, slots=True)
class _Place:
    """A proposal, found again when lines come and go above it or below it.

    `from_start` and `from_end` are line numbers, counted from either end of the document.
    """

    uri: str
    line_text: str
    becomes: str
    from_start: int
    from_end: int

    @classmethod
    def of(cls, proposal: Proposal) -> _Place:
        snapshot, line = proposal.snapshot, proposal.line
        return cls(
            uri=snapshot.uri,
            line_text=proposal.line_text(),
            becomes=_becomes(proposal),
            from_start=line,
            from_end=snapshot.line_count - line,
        )

    def reversed(self) -> _Place:
        """The proposal that takes this one back."""
        return replace(self, line_text=self.becomes, becomes=self.line_text)

    def names(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        known = (self.uri, self.line_text, self.becomes)
        return (*known, "start", self.from_start), (*known, "end", self.from_end)


def _becomes(proposal: Proposal) -> str:
    """The line as it would be, whatever part of it the proposal names."""
    start = proposal.start - proposal.snapshot.line_starts[proposal.line]
    size = proposal.end - proposal.start
    text = proposal.line_text()
    return text[:start] + proposal.text + text[start + size :]


class Memory:
    """Remembers a bounded number of offers and refusals."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._ids: OrderedDict[_Place, str] = OrderedDict()
        self._offers: OrderedDict[str, Proposal] = OrderedDict()
        self._refused: OrderedDict[tuple[object, ...], str] = OrderedDict()
        self._taken: OrderedDict[tuple[object, ...], str] = OrderedDict()
        self._refusals: Counter[tuple[str, str]] = Counter()

    def offered(self, proposal: Proposal) -> str:
        """Return the id of a proposal: the same as before while its line is the same."""
        place = _Place.of(proposal)
        name = self._ids.get(place)
        if name is None:
            name = f"{os.getpid():x}-n{next(self._numbers):x}"
            self._ids[place] = name
        self._offers[name] = proposal
        self._offers.move_to_end(name)
        while len(self._offers) > _REMEMBERED:
            self._offers.popitem(last=False)
        while len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        return name

    def dismissed(self, name: str) -> bool:
        """Note that an offer was sent away; return whether it is known."""
        proposal = self._offers.get(name)
        if proposal is None:
            return False
        _note(self._refused, proposal)
        if len(self._refusals) >= _REMEMBERED:
            self._refusals.clear()
        self._refusals[proposal.snapshot.uri, proposal.cause] += 1
        return True

    def accepted(self, name: str) -> bool:
        """Note that an offer was taken: where its old text comes back, it was undone."""
        proposal = self._offers.get(name)
        if proposal is None:
            return False
        _note(self._taken, proposal)
        # A name that is changed back and forth is followed each time.
        for key in _Place.of(proposal).reversed().names():
            self._refused.pop(key, None)
            self._taken.pop(key, None)
        self._refusals.pop((proposal.snapshot.uri, proposal.cause), None)
        return True

    def allows(self, proposal: Proposal) -> bool:
        """Whether a proposal may be offered."""
        if self._refusals[proposal.snapshot.uri, proposal.cause] >= _MOST_REFUSALS:
            return False
        keys = _Place.of(proposal).names()
        return not any(key in self._refused or key in self._taken for key in keys)

    def taken(self) -> frozenset[str]:
        """The causes of the offers that were taken."""
        return frozenset(self._taken.values())

    def has_taken(self, uri: str, line: str, becomes: str) -> bool:
        """Whether an offer was taken that made `becomes` of a line."""
        return any(key[:3] == (uri, line, becomes) for key in self._taken)

    def ended(self, cause: str) -> None:
        """Note that a cause was undone: should it come again, so may what follows from it."""
        for key in [key for key, known in self._taken.items() if known == cause]:
            del self._taken[key]


def _note(places: OrderedDict[tuple[object, ...], str], proposal: Proposal) -> None:
    for key in _Place.of(proposal).names():
        places[key] = proposal.cause
    while len(places) > 2 * _REMEMBERED:
        places.popitem(last=False)
