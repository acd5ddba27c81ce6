"""What a span must not say, enforced while it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.protocol import RequestRejected

if TYPE_CHECKING:
    from midspan_engine.protocol import InfillRequest

_SEEN = 200
"""Characters of the text around the span that a pattern may reach across."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """Patterns that may not come up, whichever token completes them.

    Attributes:
        patterns: Compiled.
        before: Text before the span.
        after: Text after it.
    """

    patterns: tuple[re.Pattern[str], ...]
    before: str
    after: str

    @classmethod
    def of(cls, request: InfillRequest) -> Forbidden | None:
        """Those of a request; None where it has none.

        Raises:
            RequestRejected: a pattern is no regular expression, or matches where nothing stands.
        """
        if not request.forbid:
            return None
        compiled = []
        for pattern in request.forbid:
            try:
                compiled.append(re.compile(pattern))
                if compiled[-1].search(""):
                    message = f"forbid: {pattern!r} matches the empty text, so no answer is left"
                    raise RequestRejected("bad_request", message)
            except re.error as error:
                message = f"forbid: {pattern!r} is not a regular expression: {error}"
                raise RequestRejected("bad_request", message) from error
        return cls(
            patterns=tuple(compiled),
            before=request.prefix[-_SEEN:],
            after=request.suffix[:_SEEN],
        )

    def bars(self, text: str, *, begins: bool = True, ends: bool = True) -> bool:
        """Whether a pattern comes up in `text`, or across its borders.

        Args:
            text: Known text of the span.
            begins: Whether it stands right behind what is before the span.
            ends: Whether it stands right in front of what is after the span.
        """
        before = self.before if begins else ""
        whole = before + text + (self.after if ends else "")
        start, end = len(before), len(before) + len(text)
        return any(_touches(pattern, whole, start, end) for pattern in self.patterns)


def _touches(pattern: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Whether a match overlaps `text[start:end]`, or its one place where that is empty."""
    at = 0
    while (found := pattern.search(text, at)) and found.start() < end:
        if found.end() > start:
            return True
        at = found.start() + 1  # the next match may overlap this one
    return False
