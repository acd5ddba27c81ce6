"""`NextEdits`: what to offer an editor without a model, from the history and the open documents."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.next_edit.follow import Renames, under_way
from midspan_server.next_edit.hunks import hunks
from midspan_server.next_edit.memory import Memory
from midspan_server.next_edit.repeat import repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from midspan_server.counters import Source
    from midspan_server.history import EditHistory
    from midspan_server.next_edit.proposal import Proposal
    from midspan_server.snapshot import DocumentSnapshot

MOST_OFFERED = 10
_HUNKS = 64
# As many as keep their syntax trees; parsing others anew would take the time of an answer.
_MOST_RECENT = 8
# A text of this length is parsed and searched in well under the time that an answer has.
LONGEST_CHARS = 1_000_000


@dataclass(frozen=True, slots=True)
class Offered:
    """A proposal with the id that the client names it by, and who had it."""

    id: str
    proposal: Proposal
    probability: float = 1.0
    source: Source = "rules"


def searched(
    history: EditHistory, documents: Iterable[DocumentSnapshot]
) -> Iterator[DocumentSnapshot]:
    """The documents that next edits are looked for in.

    The ones used last, and whichever else has a name that is being renamed: old, or new already.

    Args:
        history: What was changed.
        documents: What may be read, latest used first.
    """
    rest = iter(documents)
    yield from itertools.islice(rest, _MOST_RECENT)
    renamed: set[str] | None = None
    for document in rest:
        if renamed is None:
            renamed = under_way(hunks(history, _HUNKS))
        if any(map(document.text.__contains__, renamed)):
            yield document


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
        left = self._renames.proposals(recent, short, uri, offset)
        return self._offered(left) or self._offered(
            repeated(recent, short, uri, offset, self._renames.declared)
        )

    def _offered(self, found: Iterator[Proposal]) -> tuple[Offered, ...]:
        wanted = itertools.islice(filter(self.memory.allows, found), MOST_OFFERED)
        return tuple(Offered(self.memory.offered(one), one) for one in wanted)
