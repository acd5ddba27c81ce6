"""`create_server`: the Language Server and its handlers for documents and suggestions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsprotocol import types

from midspan_server import configuration, decode_statistics, feedback
from midspan_server.language_server import MidspanServer
from midspan_server.next_edit import surface
from midspan_server.reply import Slot, completion_list, inline_list
from midspan_server.scheduling import Want
from midspan_server.session import Session

if TYPE_CHECKING:
    from midspan_server.documents import Documents
    from midspan_server.snapshot import DocumentSnapshot

# Clients without ghost text ask by themselves within words only. Not behind a blank, a colon or an
# equals sign: a popup there takes the Enter that was meant for the line.
_ASKED_BEHIND = (".", "(", "[", "{", ",")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where suggestions are wanted and where they go."""

    want: Want
    slot: Slot


def create_server() -> MidspanServer:
    """Return a server with all its handlers; `start_io` runs it."""
    server = MidspanServer()
    server.feature(types.INITIALIZE)(_initialize)
    server.feature(types.INITIALIZED)(_initialized)
    server.feature(types.SHUTDOWN)(_shutdown)
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(_did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(_did_close)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)(_did_close_notebook)
    # Without the options pygls does not advertise the capability.
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(
        _inline_completion
    )
    configuration.register(server)
    feedback.register(server)
    decode_statistics.register(server)
    surface.register(server)
    return server


def _initialize(ls: MidspanServer, params: types.InitializeParams) -> None:
    session = Session(ls, params)
    ls.begin(session)
    session.begin(configuration.section(params.initialization_options))
    if not session.has_inline_completion:
        options = types.CompletionOptions(trigger_characters=_ASKED_BEHIND)
        ls.feature(types.TEXT_DOCUMENT_COMPLETION, options)(_completion)
    if session.delivery.has_hints and session.settings.next_edit.hints:
        fixes = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
        ls.feature(types.TEXT_DOCUMENT_CODE_ACTION, fixes)(_code_action)


async def _initialized(ls: MidspanServer, _params: types.InitializedParams) -> None:
    await configuration.pull(ls)
    ls.in_background(ls.session.warm_up())


async def _shutdown(ls: MidspanServer, _params: None) -> None:
    await ls.session.end()


def _did_open(ls: MidspanServer, params: types.DidOpenTextDocumentParams) -> None:
    ls.session.opened(params.text_document.uri)


def _did_close(ls: MidspanServer, params: types.DidCloseTextDocumentParams) -> None:
    ls.session.closed(params.text_document.uri)


def _did_close_notebook(ls: MidspanServer, params: types.DidCloseNotebookDocumentParams) -> None:
    for cell in params.cell_text_documents:
        ls.session.closed(cell.uri)


async def _inline_completion(
    ls: MidspanServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    documents = ls.session.documents
    snapshot = documents.snapshot(params.text_document.uri)
    invoked = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    selected = params.context.selected_completion_info
    place = _place(documents, snapshot, params.position, selected, invoked=invoked)
    if place is None:
        return types.InlineCompletionList(items=[])
    suggestions = await ls.session.suggest(place.want)
    if documents.snapshot(params.text_document.uri) is not snapshot:
        return types.InlineCompletionList(items=[])
    return inline_list(suggestions, place.slot)


async def _completion(ls: MidspanServer, params: types.CompletionParams) -> types.CompletionList:
    """For clients that draw no ghost text. They ask in the same way for typing and by hand."""
    documents = ls.session.documents
    snapshot = documents.snapshot(params.text_document.uri)
    place = _place(documents, snapshot, params.position, None, invoked=False)
    if place is None:
        return types.CompletionList(is_incomplete=True, items=[])
    suggestions = await ls.session.suggest(place.want)
    if documents.snapshot(params.text_document.uri) is not snapshot:
        return types.CompletionList(is_incomplete=True, items=[])
    return completion_list(suggestions, place.slot)


def _code_action(ls: MidspanServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    """For clients that draw no next edits."""
    return ls.session.delivery.actions(params)


def _place(
    documents: Documents,
    snapshot: DocumentSnapshot | None,
    position: types.Position,
    selected: types.SelectedCompletionInfo | None,
    *,
    invoked: bool,
) -> _Place | None:
    """Return where to suggest; None in a document that is not open, or for a broken selection.

    An item of the popup that is selected counts as typed: the suggestion goes on behind it, and the
    reply replaces the same range with the item's text and the suggestion.
    """
    if snapshot is None:
        return None
    documents.touch(snapshot.uri)
    start = end = snapshot.offset_at(position, documents.encoding)
    lead, supposed = "", snapshot
    if selected is not None:
        start = snapshot.offset_at(selected.range.start, documents.encoding)
        end = snapshot.offset_at(selected.range.end, documents.encoding)
        if start > end or snapshot.line_of(start) != snapshot.line_of(end):
            return None
        lead = selected.text
        supposed = snapshot.replaced(start, end, lead, version=snapshot.version)
    want = Want(snapshot=supposed, offset=start + len(lead), invoked=invoked)
    slot = Slot(snapshot=snapshot, start=start, end=end, lead=lead, encoding=documents.encoding)
    return _Place(want, slot)
