"""`Counters`: what became of the suggestions, as JSON lines in the state folder. Never sent.

No source text is kept: language, lengths, times, confidence and outcome only. The file is bounded:
at `_LIMIT_BYTES` it becomes `counters.1.jsonl`, and the one before it is gone.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

_LIMIT_BYTES = 1_000_000
_REMEMBERED = 200

# The last two are of next edits: gone to, and overtaken by typing.
Outcome = Literal["offered", "shown", "accepted", "partly_accepted", "dismissed", "jumped", "stale"]
# `rules`: a next edit that followed from the syntax, without the model.
Source = Literal["engine", "cache", "rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A suggestion that was sent to the client.

    Attributes:
        id: The suggestion's.
        language: LSP language identifier.
        characters: Length of its text.
        lines: Number of its lines.
        confidence: As the engine had it.
        latency_ms: From the request to the reply.
        source: Who had it.
        invoked: Whether the user asked by hand.
    """

    id: str
    language: str
    characters: int
    lines: int
    confidence: float
    latency_ms: float
    source: Source
    invoked: bool


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    at: float
    outcome: Outcome
    id: str
    language: str = ""
    characters: int = 0
    lines: int = 0
    confidence: float = 0.0
    latency_ms: float = 0.0
    source: str = ""
    invoked: bool = False
    accepted_characters: int = 0
    after_ms: float = 0.0


class Counters:
    """Appends one line for each event; without a writable folder it warns once and stops."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "counters.jsonl"
        self._offers: OrderedDict[str, tuple[Offer, float]] = OrderedDict()
        self._writable = True

    def offered(self, offer: Offer) -> None:
        """Count a suggestion that is sent; one that is sent again as the user types counts once."""
        if offer.id in self._offers:
            return
        self._offers[offer.id] = (offer, time.monotonic())
        while len(self._offers) > _REMEMBERED:
            self._offers.popitem(last=False)
        self._append("offered", offer, 0.0, 0)

    def happened(self, outcome: Outcome, suggestion: str, accepted_characters: int = 0) -> bool:
        """Count what became of a suggestion; return whether it is one of ours."""
        known = self._offers.get(suggestion)
        if known is None:
            return False
        offer, offered_at = known
        if outcome == "accepted":
            accepted_characters = offer.characters
        self._append(outcome, offer, 1000 * (time.monotonic() - offered_at), accepted_characters)
        return True

    def _append(
        self, outcome: Outcome, offer: Offer, after_ms: float, accepted_characters: int
    ) -> None:
        if not self._writable:
            return
        line = _Line(
            at=round(time.time(), 3),
            outcome=outcome,
            id=offer.id,
            language=offer.language,
            characters=offer.characters,
            lines=offer.lines,
            confidence=round(offer.confidence, 4),
            latency_ms=round(offer.latency_ms, 1),
            source=offer.source,
            invoked=offer.invoked,
            accepted_characters=accepted_characters,
            after_ms=round(after_ms, 1),
        )
        try:
            self._write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            self._writable = False
            _log.warning("nothing is counted from here on: %s", error)

    def _write(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # One short write in append mode: several editors may share the file.
        with self._path.open("ab", buffering=0) as file:
            if file.tell() > _LIMIT_BYTES:
                self._path.replace(self._path.with_name("counters.1.jsonl"))
            file.write(line)
