"""`NextEdits`: what to offer an editor without a model, from the history and the open documents."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.next_edit.follow import Renames
from midspan_server.next_edit.hunks import hunks
from midspan_server.next_edit.memory import Memory
from midspan_server.next_edit.proposal import in_reading_order
from midspan_server.next_edit.repeat import repeated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.counters import Source
    from midspan_server.history import EditHistory
    from midspan_server.next_edit.proposal import Proposal
    from midspan_server.snapshot import DocumentSnapshot

MOST_OFFERED = 10
_HUNKS = 64
# A text of this length is parsed and searched in well under the time that an answer has.
LONGEST_CHARS = 1_000_000


@dataclass(frozen=True, slots=True)
class Offered:
    """A proposal with the id that the client names it by, and who had it."""

    id: str
    proposal: Proposal
    probability: float = 1.0
    source: Source = "rules"


class NextEdits:
    """Holds what lives as long as the editor: renames under way, and what was refused."""

    def __init__(self) -> None:
        self.memory = Memory()
        self._renames = Renames()

    def propose(
        self,
        history: EditHistory,
        documents: Sequence[DocumentSnapshot],
        uri: str,
        offset: int,
    ) -> tuple[Offered, ...]:
        """Edits that follow from what was done last, best first; () when nothing does.

        Args:
            history: What was changed.
            documents: What may be read, latest used first.
            uri: Document that the cursor is in.
            offset: Of the cursor.
        """
        recent = [one for one in hunks(history, _HUNKS) if not one.is_formatting]
        short = [one for one in documents if len(one.text) <= LONGEST_CHARS]
        for found in (self._renames.proposals, repeated):
            ordered = in_reading_order(found(recent, short), uri, offset)
            wanted = itertools.islice(filter(self.memory.allows, ordered), MOST_OFFERED)
            if offered := tuple(Offered(self.memory.offered(one), one) for one in wanted):
                return offered
        return ()
