"""`GrowingSpan`: an answer while it arrives, cut where it ends, with what is known of its worth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from midspan_engine.protocol import Choice, DecodeStats, Infill
from midspan_server.backends.ending import ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import Finish, InfillRequest
    from midspan_server.backends.events import Event

# Our own model's calibration for a line of five tokens, where only the mean counts: the default
# threshold is then a mean of -0.31, which is tokens of 73 % each.
_BIAS, _SLOPE = 3.5, 11.75
_FULL = 1.0
# The longest tokens are runs of blanks. Whoever sends more has not read `max_tokens`.
_LONGEST_TOKEN = 64


def confidence_of(mean_logprob: float) -> float:
    """Return what `threshold` is compared with, 0..1, for a mean natural log-probability."""
    score = max(-30.0, min(30.0, _BIAS + _SLOPE * mean_logprob))
    return 1.0 / (1.0 + math.exp(-score))


class GrowingSpan:
    """Takes events until it is `finish`ed."""

    def __init__(
        self,
        request: InfillRequest,
        stops: tuple[str, ...],
        on_partial: Callable[[str], None] | None,
    ) -> None:
        self._request = request
        self._stops = stops
        self._on_partial = on_partial if request.stream else None
        self._pieces: list[tuple[int, float | None]] = []
        self._confidence: float | None = None
        self.text = ""
        self.finish: Finish | None = None
        self.is_complete = False

    def add(self, event: Event) -> bool:
        """Append; return whether the span ends here, whatever the server would still say."""
        if event.confidence is not None:
            self._confidence = event.confidence
        self.is_complete = self.is_complete or event.is_last
        for piece in event.pieces:
            self._pieces.append((len(self.text), piece.logprob))
            self.text += piece.text
        if event.pieces and (end := ending(self.text, self._request, self._stops)) is not None:
            self.text, self.finish = end.text, end.finish
            return True
        is_too_long = len(self.text) > _LONGEST_TOKEN * self._request.max_tokens
        if event.is_cut or is_too_long:
            self.finish = "length"
        if event.pieces and self._on_partial is not None:
            # White space at the end may yet turn out to lie behind the span's end.
            self._on_partial(self.text.rstrip())
        return is_too_long

    def infill(self, total_ms: float) -> Infill:
        """Return the answer as the engine would give it. Complete is what the server ended."""
        finish = self.finish or ("eos" if self.is_complete else "budget")
        logprobs = [
            logprob
            for start, logprob in self._pieces
            if logprob is not None and start < len(self.text)
        ]
        mean = sum(logprobs) / len(logprobs) if logprobs else 0.0
        confidence = self._confidence
        if confidence is None:
            confidence = confidence_of(mean) if logprobs else _FULL
        choice = Choice(text=self.text, finish=finish, confidence=confidence, mean_logprob=mean)
        return Infill(
            id=self._request.id,
            document_version=self._request.document_version,
            choices=(choice,),
            stats=DecodeStats(tokens=len(self._pieces), total_ms=total_ms),
        )
