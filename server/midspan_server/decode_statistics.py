"""What the engine did for a suggestion: `midspan/statistics`, a request of ours.

An inline completion item has no room for data of the server's, so a client that wants the figures
asks for them by the suggestion's id, the argument of the item's command. Nothing is kept on disk.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

# pygls reads the annotations of a handler, so this name has to be there.
from midspan_server.language_server import MidspanServer  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midspan_engine.protocol import DecodeStats
    from midspan_server.suggestion_cache import Suggestion

STATISTICS_METHOD = "midspan/statistics"
_REMEMBERED = 200


class DecodeStatistics:
    """The engine's figures for the latest suggestions, by the suggestion's id."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, DecodeStats] = OrderedDict()

    def note(self, suggestions: Iterable[Suggestion]) -> None:
        """Keep the figures of what is sent now."""
        for suggestion in suggestions:
            self._known[suggestion.id] = suggestion.stats
            self._known.move_to_end(suggestion.id)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def of(self, suggestion_id: str) -> DecodeStats | None:
        """Return the figures, None for a suggestion that is not known (any more)."""
        return self._known.get(suggestion_id)


def register(server: MidspanServer) -> None:
    """Add the handler."""

    @server.feature(STATISTICS_METHOD)
    def _statistics(ls: MidspanServer, params: Any) -> dict[str, Any] | None:
        """`{id}` to the fields of `DecodeStats` in snake_case, or null."""
        stats = ls.session.statistics.of(str(getattr(params, "id", "")))
        return None if stats is None else msgspec.to_builtins(stats)
