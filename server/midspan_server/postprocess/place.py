"""Where a suggestion goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from midspan_server.syntax import LanguageProfile, Zone, profile, zone_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.trigger import ScopeDecision


@dataclass(frozen=True, slots=True)
class Place:
    """The document, the cursor in it and what was asked for there."""

    snapshot: DocumentSnapshot
    offset: int
    scope: ScopeDecision

    @property
    def language(self) -> LanguageProfile:
        """What is known of the document's language."""
        return profile(self.snapshot.language)

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        start = self.snapshot.line_starts[self.snapshot.line_of(self.offset)]
        return self.snapshot.text[start : self.offset]

    @property
    def line_after(self) -> str:
        """The rest of the cursor's line, without its line end."""
        end = self.snapshot.line_end(self.snapshot.line_of(self.offset))
        return self.snapshot.text[self.offset : end]

    @property
    def zone(self) -> Zone:
        """Code, comment or string."""
        return zone_at(self.snapshot, self.offset, self.line_before)

    def lines_above(self) -> Iterator[str]:
        """The lines above the cursor's, nearest first, without line ends."""
        for line in range(self.snapshot.line_of(self.offset) - 1, -1, -1):
            yield self._line(line)

    def lines_below(self) -> Iterator[str]:
        """The lines below the cursor's, nearest first, without line ends."""
        for line in range(self.snapshot.line_of(self.offset) + 1, self.snapshot.line_count):
            yield self._line(line)

    def _line(self, line: int) -> str:
        return self.snapshot.text[self.snapshot.line_starts[line] : self.snapshot.line_end(line)]


Filter: TypeAlias = Callable[[str, Place], str | None]
