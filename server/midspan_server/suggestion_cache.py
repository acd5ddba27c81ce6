"""`SuggestionCache`: suggestions made before that still fit what stands around the cursor.

The rule. A suggestion was made at an origin: the text just before the cursor and just after it. It
fits at another cursor if

* what stands between the origin and the cursor now is how the suggestion begins: the user typed as
  suggested, and the rest of the suggestion remains to offer. Back at the origin, after a backspace
  or an undo, all of it does;
* what stands after the cursor is what stood there, but for closing brackets and quotes that the
  editor inserted by itself while the user typed.

* it is the same document, in the same language, and the rest of its text is the same too: an
  import added far above is knowledge that the suggestion was made without.

Where several fit, the one whose origin is nearest wins, being made with the most knowledge.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from midspan_engine.protocol import DecodeStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midspan_server.snapshot import DocumentSnapshot

_ORIGIN_CHARACTERS = 300
_MOST_TYPED = 240
_MOST_CLOSERS = 2
_CLOSERS = frozenset(")]}>\"'`")
_LIMIT = 200
_MOST_AGE_S = 300.0
_NO_STATS = DecodeStats()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One text that may be inserted at the cursor.

    Attributes:
        id: Names it in the counters and in the commands that a client sends back.
        text: What to insert; its lines end in LF.
        confidence: Probability that this is what was wanted.
        stats: What the engine did for it and for its alternatives.
        typed: How many characters of it stand in the document already.
    """

    id: str
    text: str
    confidence: float
    stats: DecodeStats = _NO_STATS
    typed: int = 0

    def without(self, typed: str) -> Suggestion:
        """Return what remains of it when `typed`, its beginning, stands in the document."""
        return replace(self, text=self.text[len(typed) :], typed=self.typed + len(typed))


class _Origin(NamedTuple):
    """The document and the text around a cursor, as far as it tells one cursor from another."""

    document: str
    language: str
    before: str
    after: str

    @classmethod
    def of(cls, snapshot: DocumentSnapshot, offset: int, after: str) -> _Origin:
        return cls(snapshot.uri, snapshot.language, _before(snapshot, offset), after)


@dataclass(frozen=True, slots=True)
class Hit:
    """What the cache holds for a cursor.

    Attributes:
        suggestions: What remains to offer, best first; none if nothing good was found here before.
        typed: What was typed of it.
        closers: Characters after the cursor that were not there at the origin.
    """

    suggestions: tuple[Suggestion, ...]
    typed: str
    closers: str


@dataclass(frozen=True, slots=True)
class _Entry:
    suggestions: tuple[Suggestion, ...]
    invoked: bool
    made_at: float
    far_text: int

    def is_stale(self) -> bool:
        """Other files, which the suggestion may rest on, change without being looked at here."""
        return time.monotonic() - self.made_at > _MOST_AGE_S


class SuggestionCache:
    """A bounded least-recently-used map of suggestions by origin, under the rule of the module."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._entries: OrderedDict[_Origin, _Entry] = OrderedDict()
        # For each text after the cursor: how many entries have it, and their longest suggestion.
        self._suffixes: dict[str, tuple[int, int]] = {}

    def put(
        self,
        snapshot: DocumentSnapshot,
        offset: int,
        suggestions: tuple[Suggestion, ...],
        *,
        invoked: bool,
    ) -> None:
        """Keep `suggestions`; `invoked` if they answer a request that the user made by hand."""
        origin = _Origin.of(snapshot, offset, _after(snapshot, offset))
        far_text = _far_text(snapshot, offset, offset)
        known = self._entries.pop(origin, None)
        count, longest = self._suffixes.get(origin.after, (0, 0))
        longest = max(longest, *(len(one.text) for one in suggestions), 0)
        self._suffixes[origin.after] = (count + (known is None), longest)
        self._entries[origin] = _Entry(suggestions, invoked, time.monotonic(), far_text)
        while len(self._entries) > self._limit:
            self._drop_oldest()

    def get(self, snapshot: DocumentSnapshot, offset: int, *, invoked: bool) -> Hit | None:
        """Return what fits at `offset`, None if the engine has to be asked.

        A request made by hand is answered only from one made by hand: it wants alternatives.
        """
        for closers in _closers(snapshot, offset):
            after = _after(snapshot, offset + len(closers))
            _, longest = self._suffixes.get(after, (0, -1))
            # Line ends may be twice as long in the document as in the suggestion.
            most_typed = min(_MOST_TYPED, 2 * longest, offset)
            for typed_length in range(1 if closers else 0, most_typed + 1):
                start = offset - typed_length
                origin = _Origin.of(snapshot, start, after)
                entry = self._entries.get(origin)
                if entry is None or (invoked and not entry.invoked) or entry.is_stale():
                    continue
                if entry.far_text != _far_text(snapshot, start, offset + len(closers)):
                    continue
                hit = _fitting(entry, snapshot.text[start:offset], closers)
                if hit is not None:
                    self._entries.move_to_end(origin)
                    return hit
        return None

    def clear(self) -> None:
        """Forget everything, as when the settings change."""
        self._entries.clear()
        self._suffixes.clear()

    def _drop_oldest(self) -> None:
        origin, _ = self._entries.popitem(last=False)
        count, longest = self._suffixes.pop(origin.after)
        if count > 1:
            self._suffixes[origin.after] = (count - 1, longest)


def _fitting(entry: _Entry, typed: str, closers: str) -> Hit | None:
    plain = typed.replace("\r\n", "\n")
    rest = tuple(
        suggestion.without(plain)
        for suggestion in entry.suggestions
        if suggestion.text.startswith(plain) and len(suggestion.text) > len(plain)
    )
    return None if typed and not rest else Hit(rest, plain, closers)


def typed_since(
    origin: DocumentSnapshot, origin_offset: int, snapshot: DocumentSnapshot, offset: int
) -> str | None:
    """Return what was typed at `origin` to get to `offset`; None if anything else changed."""
    if not 0 <= offset - origin_offset <= _MOST_TYPED:
        return None
    if (origin.uri, origin.language) != (snapshot.uri, snapshot.language):
        return None
    if origin.text[:origin_offset] != snapshot.text[:origin_offset]:
        return None
    after = origin.text[origin_offset:]
    if any(snapshot.text[offset + len(one) :] == after for one in _closers(snapshot, offset)):
        return snapshot.text[origin_offset:offset].replace("\r\n", "\n")
    return None


def _far_text(snapshot: DocumentSnapshot, start: int, end: int) -> int:
    """A digest of what stands too far from the cursor to be part of an origin."""
    text = snapshot.text
    return hash((text[: max(0, start - _ORIGIN_CHARACTERS)], text[end + _ORIGIN_CHARACTERS :]))


def _before(snapshot: DocumentSnapshot, offset: int) -> str:
    return snapshot.text[max(0, offset - _ORIGIN_CHARACTERS) : offset]


def _after(snapshot: DocumentSnapshot, offset: int) -> str:
    return snapshot.text[offset : offset + _ORIGIN_CHARACTERS]


def _closers(snapshot: DocumentSnapshot, offset: int) -> Iterator[str]:
    """Yield what the editor may have inserted after the cursor: nothing, one or two closers."""
    yield ""
    for length in range(1, _MOST_CLOSERS + 1):
        closers = snapshot.text[offset : offset + length]
        if len(closers) < length or closers[-1] not in _CLOSERS:
            return
        yield closers
