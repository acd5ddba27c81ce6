"""`Delivery`: next edits that nobody asked for, after a save or a pause in typing.

Editors that draw next edits ask by themselves when a file is saved; they are sent what a pause
brings, as `midspan/nextEdits`. For all others each edit becomes a hint with a quick fix.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from midspan_server.next_edit import surface
from midspan_server.next_edit.flow import Ask
from midspan_server.next_edit.hints import Hints, can_show
from midspan_server.next_edit.proposal import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midspan_server.language_server import MidspanServer
    from midspan_server.next_edit.proposal import Proposal
    from midspan_server.session import Session
    from midspan_server.snapshot import DocumentSnapshot

PUSH = "midspan/nextEdits"


class Delivery:
    """Knows how this client wants its next edits."""

    def __init__(self, server: MidspanServer, session: Session) -> None:
        self._server, self._session = server, session
        capabilities = session.capabilities
        self.draws = self._takes_pushes = _draws(capabilities.experimental)
        self._hints = Hints(
            capabilities,
            session.documents.encoding,
            session.next_edits.memory,
            server.text_document_publish_diagnostics,
        )
        self.has_hints = not self.draws and can_show(capabilities)
        self._timer: asyncio.TimerHandle | None = None

    def client_asks(self, *, takes_pushes: bool) -> None:
        """Note that the client draws next edits itself, whatever it said at first.

        One that was made for Copilot knows nothing of `midspan/nextEdits`.
        """
        self._takes_pushes = self._takes_pushes or takes_pushes
        if not self.draws:
            self.draws, self.has_hints = True, False
            self._hints.show(())

    def saved(self, uri: str) -> None:
        """A document was saved: look for what to show as a hint."""
        settings = self._session.settings.next_edit
        if settings.on_save and settings.hints and self.has_hints:
            self._look(uri)

    def accepted(self) -> None:
        """A hint's edit was made: show what comes next."""
        recent = self._session.history.recent(1)
        if recent and self.has_hints:
            self._look(recent[0].uri)

    def changed(self, before: DocumentSnapshot, after: DocumentSnapshot) -> None:
        """Note a change; the pause begins anew."""
        self._hints.changed(before, after)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        idle_ms = self._session.settings.next_edit.idle_ms
        if idle_ms is not None and (self._takes_pushes or self.has_hints):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(idle_ms / 1e3, self._look, after.uri)

    def closed(self, uri: str) -> None:
        """Drop what belongs to a closed document."""
        self._hints.closed(uri)

    def actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """The quick fixes for a range."""
        return self._hints.actions(params.text_document.uri, params.range, self._command)

    async def apply(self, names: Iterable[object]) -> list[str]:
        """Have the editor make the edits of these names; return those that it made."""
        proposals = self._hints.named(names)
        if not proposals:
            return []
        memory = self._session.next_edits.memory
        made = [memory.offered(one) for one in proposals]
        edit = self._hints.workspace_edit(proposals)
        answer = await self._server.workspace_apply_edit_async(
            types.ApplyWorkspaceEditParams(edit=edit, label="Next edits")
        )
        return made if answer.applied else []

    def _command(self, proposals: Sequence[Proposal]) -> types.Command:
        names: list[Any] = [self._session.next_edits.memory.offered(one) for one in proposals]
        is_one = len(names) == 1
        return types.Command(
            title="Next edit",
            command=surface.ACCEPT_COMMAND if is_one else surface.APPLY_COMMAND,
            arguments=names,
        )

    def _look(self, uri: str) -> None:
        self._server.in_background(self._found(uri))

    async def _found(self, uri: str) -> None:
        """Look, and send what there is unless the document changed meanwhile."""
        began = time.monotonic()
        session = self._session
        snapshot = session.documents.snapshot(uri)
        if snapshot is None:
            return
        offset = _last_place(session, snapshot)
        offered = await session.next_edit(Ask(snapshot=snapshot, offset=offset))
        if session.documents.snapshot(uri) is not snapshot:
            return
        surface.count(session, offered, 1000 * (time.monotonic() - began))
        if self._takes_pushes:
            if offered:
                edits = [surface.plain(session, one) for one in offered]
                self._server.protocol.notify(PUSH, {"edits": edits})
        elif self.has_hints:
            self._hints.show(Found(one.proposal, one.probability) for one in offered)


def _draws(experimental: object) -> bool:
    """Whether the client says that it shows next edits, as Midspan's own do."""
    if not isinstance(experimental, dict):
        return False
    ours = experimental.get("midspan")
    return experimental.get("midspanStatus") is True or (
        isinstance(ours, dict) and ours.get("nextEdit") is True
    )


def _last_place(session: Session, snapshot: DocumentSnapshot) -> int:
    """Where the document was changed last; its start where that is not known."""
    for edit in reversed(session.history.recent(1)):
        if edit.uri == snapshot.uri and edit.line < snapshot.line_count:
            return snapshot.line_starts[edit.line]
    return 0
