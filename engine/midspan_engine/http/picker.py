"""Which of the engine's sessions a request uses, so that its context is found in the cache.

HTTP requests name no document. A request takes the idle session of the same caller whose last text
shares the longest beginning with its own: the next keystroke in a file begins with nearly all of
the text of the one before it. Only where that is a fair part of it; else the session that was not
used for longest is taken over. A session serves one request at a time, for a second one would end
the first, so several requests for the same text use several sessions.

Many clients send so many characters before the cursor, so with every keystroke their window loses
one at its beginning, and a cache that begins there is lost with it. The window is kept in place:
what slid out of it since is put back, up to a limit. A text that got shorter by as much did not
slide: somebody deleted its first lines.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT_CHARACTERS = 32_768
"""About what fits into a prompt; what is behind it is compared no more."""
_MOST_PUT_BACK = 4096
_PROBE = 48
"""Characters at the beginning of a text by which it is looked for in another."""
_LEAST_SHARED = 16
_FAIR_PART = 0.5


@dataclass(slots=True, kw_only=True)
class _Seen:
    """A session's last use.

    Attributes:
        text: What the session's cache begins with.
        sent: How much of it came with the last request.
    """

    caller: str = ""
    text: str = ""
    sent: int = 0
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Picked:
    """A session to use.

    Attributes:
        name: Of the session.
        earlier: What stood before the text in its last request, and has slid out since.
    """

    name: str
    earlier: str = ""


class SessionPicker:
    """Hands out a fixed number of session names.

    Args:
        most: Sessions; requests that run at the same time must be no more than these.
    """

    def __init__(self, most: int) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict(
            (f"http:{number}", _Seen()) for number in range(most)
        )

    @property
    def busy(self) -> int:
        """Sessions in use."""
        return sum(seen.busy for seen in self._seen.values())

    @contextlib.contextmanager
    def session(self, caller: str, text: str) -> Iterator[Picked]:
        """A session to use until the block is left.

        Args:
            caller: Key, user and kind of request; sessions are not shared between callers.
            text: What the prompt begins with.
        """
        picked = self._best(caller, text[:_KEPT_CHARACTERS])
        seen = self._seen[picked.name]
        seen.caller, seen.busy = caller, True
        seen.text = (picked.earlier + text)[:_KEPT_CHARACTERS]
        seen.sent = len(seen.text) - len(picked.earlier)
        self._seen.move_to_end(picked.name)
        try:
            yield picked
        finally:
            seen.busy = False

    def _best(self, caller: str, text: str) -> Picked:
        idle = [(name, seen) for name, seen in self._seen.items() if not seen.busy]
        best, most = Picked(idle[0][0]), 0
        for name, seen in idle:
            if seen.caller != caller:
                continue
            slid, shared = overlap(text, seen.text)
            shorter = min(len(text), len(seen.text) - slid)
            fair = max(_FAIR_PART * shorter, min(_LEAST_SHARED, len(text)))
            if shared >= fair and shared >= most:
                put_back = slid <= _MOST_PUT_BACK and not _was_cut(seen, slid, text)
                best, most = Picked(name, seen.text[:slid] if put_back else ""), shared
        return best


def _was_cut(seen: _Seen, slid: int, text: str) -> bool:
    """Whether what is missing at the beginning was deleted: nothing came in at the other end."""
    lost = slid - (len(seen.text) - seen.sent)
    sent = min(len(text), _KEPT_CHARACTERS)
    return lost > 0 and seen.sent - sent > _FAIR_PART * lost


def overlap(text: str, old: str) -> tuple[int, int]:
    """How far `text` has slid within `old`, and how much of it is the same from there on."""
    shared = shared_length(text, old)
    at = old.find(text[:_PROBE], 1) if shared < _PROBE <= len(text) else -1
    if at > 0:
        slid = shared_length(text, old[at:])
        if slid > shared:
            return at, slid
    return 0, shared


def shared_length(first: str, second: str) -> int:
    """How many leading characters are the same; by halving, for the texts are long."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
