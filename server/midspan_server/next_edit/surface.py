"""Next edits on the wire: `midspan/nextEdit` and its events, and Copilot's names for them.

The server never applies an edit: the client asks when a file is saved, by hand, and after each
accept; `delivery` has what comes without being asked for. An edit names the version it is for; a
request about another version gets none, and so does one whose document changed meanwhile.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from midspan_server.counters import Offer

# pygls reads the annotations of a command's handler, so this name has to be there.
from midspan_server.language_server import MidspanServer  # noqa: TC001
from midspan_server.next_edit.flow import Ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_server.counters import Outcome
    from midspan_server.next_edit.proposals import Offered
    from midspan_server.session import Session

_log = logging.getLogger(__name__)

REQUEST = "midspan/nextEdit"
EVENT = "midspan/nextEditEvent"
ACCEPT_COMMAND = "midspan.acceptNextEdit"
APPLY_COMMAND = "midspan.applyNextEdits"
_COPILOT_REQUEST = "textDocument/copilotInlineEdit"
_COPILOT_SHOWN = "textDocument/didShowInlineEdit"
_OUTCOMES: dict[str, Outcome] = {
    "shown": "shown",
    "jumped": "jumped",
    "accepted": "accepted",
    "dismissed": "dismissed",
    "stale": "stale",
}


def register(server: MidspanServer) -> None:
    """Add the handlers."""

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def _saved(ls: MidspanServer, params: types.DidSaveTextDocumentParams) -> None:
        ls.session.history.saved(params.text_document.uri, time.monotonic())
        ls.session.delivery.saved(params.text_document.uri)

    @server.feature(REQUEST)
    async def _next_edit(ls: MidspanServer, params: Any) -> dict[str, Any]:
        ls.session.delivery.client_asks(takes_pushes=True)
        return {"edits": await _answer(ls.session, params, plain)}

    @server.feature(EVENT)
    def _happened(ls: MidspanServer, params: Any) -> None:
        _note(ls.session, getattr(params, "id", None), getattr(params, "kind", None))

    @server.feature(_COPILOT_REQUEST)
    async def _copilot_edit(ls: MidspanServer, params: Any) -> dict[str, Any]:
        ls.session.delivery.client_asks(takes_pushes=False)
        return {"edits": await _answer(ls.session, params, _as_copilot)}

    @server.feature(_COPILOT_SHOWN)
    def _copilot_shown(ls: MidspanServer, params: Any) -> None:
        command = getattr(getattr(params, "item", None), "command", None)
        _note(ls.session, (getattr(command, "arguments", None) or [None])[0], "shown")

    @server.command(ACCEPT_COMMAND)
    def _accepted(ls: MidspanServer, *arguments: Any) -> None:
        """`[id]`: for clients that run an edit's command when it is taken."""
        _note(ls.session, (*arguments, None)[0], "accepted")
        ls.session.delivery.accepted()

    @server.command(APPLY_COMMAND)
    async def _apply(ls: MidspanServer, *ids: Any) -> None:
        """`[id, ...]` of waiting edits, in several files too: the editor makes them."""
        for name in await ls.session.delivery.apply(ids):
            _note(ls.session, name, "accepted")
        ls.session.delivery.accepted()


async def _answer(
    session: Session, params: Any, written: Callable[[Session, Offered], dict[str, Any]]
) -> list[dict[str, Any]]:
    """The edits for `{textDocument: {uri, version}, position}`; none for another version."""
    asked_at = time.monotonic()
    document = params.textDocument
    snapshot = session.documents.snapshot(document.uri)
    version = getattr(document, "version", None)
    if snapshot is None or (version is not None and version != snapshot.version):
        return []
    session.documents.touch(snapshot.uri)
    position = types.Position(params.position.line, params.position.character)
    offset = snapshot.offset_at(position, session.documents.encoding)
    by_hand = getattr(params, "reason", None) == "manual"
    offered = await session.next_edit(Ask(snapshot=snapshot, offset=offset, by_hand=by_hand))
    count(session, offered, 1000 * (time.monotonic() - asked_at), invoked=by_hand)
    return [written(session, one) for one in offered]


def plain(session: Session, offered: Offered) -> dict[str, Any]:
    """An edit as `midspan/nextEdit` has it."""
    one = offered.proposal
    return {
        "id": offered.id,
        "textDocument": {"uri": one.snapshot.uri, "version": one.snapshot.version},
        "range": one.snapshot.range_at(one.start, one.end, session.documents.encoding),
        "newText": one.text,
        "label": one.label,
    }


def _as_copilot(session: Session, offered: Offered) -> dict[str, Any]:
    edit = plain(session, offered)
    return {
        "text": edit["newText"],
        "textDocument": edit["textDocument"],
        "range": edit["range"],
        "command": {
            "title": edit["label"],
            "command": ACCEPT_COMMAND,
            "arguments": [offered.id],
        },
    }


def count(
    session: Session, offered: tuple[Offered, ...], latency_ms: float, *, invoked: bool = False
) -> None:
    """Count edits that are sent."""
    for one in offered:
        text = one.proposal.text
        session.counters.offered(
            Offer(
                id=one.id,
                language=one.proposal.snapshot.language,
                characters=len(text),
                lines=text.count("\n") + 1,
                confidence=one.probability,
                latency_ms=latency_ms,
                source=one.source,
                invoked=invoked,
            )
        )


def _note(session: Session, name: object, happened: object) -> None:
    outcome = _OUTCOMES.get(happened) if isinstance(happened, str) else None
    if outcome is None or not isinstance(name, str):
        _log.info("an event of a next edit was not understood")
        return
    memory = session.next_edits.memory
    if outcome == "accepted":
        memory.accepted(name)
    elif outcome == "dismissed":
        memory.dismissed(name)
    if not session.counters.happened(outcome, name):
        _log.info("%s: not a next edit of ours", outcome)
