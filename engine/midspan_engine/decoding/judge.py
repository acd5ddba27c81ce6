"""Which answers are any use to the person who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.decoding.forbidden import Forbidden
from midspan_engine.decoding.layout import repeats_next_line
from midspan_engine.decoding.overrun import cuts
from midspan_engine.decoding.seam import Seam

if TYPE_CHECKING:
    from midspan_engine.decoding.span_decoder import SpanDecoder
    from midspan_engine.protocol import InfillRequest

CUT_OFF = frozenset({"length", "budget"})
_ENDED_FROM_OUTSIDE = CUT_OFF | {"stop"}
_MOST_CUTS = 8
"""Each is parsed, which takes some milliseconds in a long file."""


class Judge:
    """Judges the spans of one request.

    Args:
        request: What was asked.
        is_hurried: What is to be fast is not judged by what it breaks.

    Raises:
        RequestRejected: a pattern that the request forbids is no regular expression.
    """

    def __init__(self, request: InfillRequest, *, is_hurried: bool = False) -> None:
        self._request = request
        self._forbidden = Forbidden.of(request)
        self._seam = None if is_hurried else Seam(request)
        self._judged: dict[str, bool] = {}

    def bars(self, text: str) -> bool:
        """Whether the request forbids it."""
        return self._forbidden is not None and self._forbidden.bars(text)

    def is_usable(self, span: SpanDecoder) -> bool:
        """Whether a person could want it, and the file can be read with it.

        18 of 457 single-line tasks repeated the next line and 4 were blank, 22 of 120 multi-line
        ones broke the file; a second try at the least certain places costs a few passes there and
        nothing elsewhere.
        """
        return self.is_wanted(span) and not self.is_broken(span)

    def is_wanted(self, span: SpanDecoder) -> bool:
        """Whether it is permitted, and neither blank nor the line that follows anyway."""
        if self.bars(span.text):
            return False
        if self._request.scope != "line":
            return True
        return bool(span.text.strip()) and not repeats_next_line(span.text, self._request.suffix)

    def is_of_use(self, span: SpanDecoder) -> bool:
        """Whether it is usable and has an end of its own."""
        return span.finish not in CUT_OFF and self.is_usable(span)

    def is_broken(self, span: SpanDecoder) -> bool:
        """Whether its text breaks the file; what somebody else ended need not be whole."""
        return span.finish not in _ENDED_FROM_OUTSIDE and self._breaks(span.text)

    def cut(self, span: SpanDecoder) -> str | None:
        """The beginning of a broken answer that breaks nothing; None where there is none."""
        found = cuts(span.text, self._request.suffix, span.early_ends())
        tried: set[str] = set()
        for text in found:
            if not text.strip() or text in tried:
                continue
            if not self.bars(text) and not self._breaks(text):
                return text
            tried.add(text)
            if len(tried) >= _MOST_CUTS:
                return None
        return None

    def _breaks(self, text: str) -> bool:
        if self._seam is None:
            return False
        if text not in self._judged:
            self._judged[text] = self._seam.is_broken_by(text)
        return self._judged[text]
