"""What the client tells of suggestions: shown, accepted, accepted in part, dismissed.

Each is a command with the suggestion's id as its argument, which any client can send; accepting
runs as the item's own command. The notifications are Copilot's: plugins written for it work.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

# pygls reads the annotations of a command's handler, so this name has to be there.
from midspan_server.language_server import MidspanServer  # noqa: TC001
from midspan_server.reply import ACCEPT_COMMAND

if TYPE_CHECKING:
    from midspan_server.counters import Outcome

_log = logging.getLogger(__name__)

_COMMANDS: dict[str, Outcome] = {
    ACCEPT_COMMAND: "accepted",
    "midspan.acceptPartial": "partly_accepted",
    "midspan.dismiss": "dismissed",
    "midspan.shown": "shown",
}
_NOTIFICATIONS: dict[str, Outcome] = {
    "textDocument/didShowCompletion": "shown",
    "textDocument/didPartiallyAcceptCompletion": "partly_accepted",
}


def register(server: MidspanServer) -> None:
    """Add the commands and the notifications."""
    for command, outcome in _COMMANDS.items():
        _add_command(server, command, outcome)
    for method, outcome in _NOTIFICATIONS.items():
        _add_notification(server, method, outcome)


def _add_command(server: MidspanServer, command: str, outcome: Outcome) -> None:
    @server.command(command)
    def _happened(ls: MidspanServer, *arguments: Any) -> None:
        """`[id]`, or `[id, accepted length]` for a part: units of utf-16 from the text's start."""
        suggestion, length = (*arguments, None, None)[:2]
        _count(ls, outcome, suggestion, length)


def _add_notification(server: MidspanServer, method: str, outcome: Outcome) -> None:
    @server.feature(method)
    def _happened(ls: MidspanServer, params: Any) -> None:
        command = getattr(getattr(params, "item", None), "command", None)
        arguments = getattr(command, "arguments", None) or [None]
        _count(ls, outcome, arguments[0], getattr(params, "acceptedLength", None))


def _count(ls: MidspanServer, outcome: Outcome, suggestion: object, length: object) -> None:
    characters = length if isinstance(length, int) and length > 0 else 0
    known = isinstance(suggestion, str) and ls.session.counters.happened(
        outcome, suggestion, characters
    )
    if not known:
        _log.info("%s: not a suggestion of ours", outcome)
