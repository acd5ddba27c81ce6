"""Next edits for editors that draw none: a hint diagnostic with a quick fix for each.

Both are standard LSP. The quick fix is the edit itself, so that the editor makes it in one undo
step, when the person picks it and not before. Several edits go into one `WorkspaceEdit`, annotated
so that an editor with a preview shows them first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from midspan_server.next_edit.shelf import Shelf
from midspan_server.next_edit.taken_back import as_hunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from midspan_server.next_edit.memory import Memory
    from midspan_server.next_edit.proposal import Found, Proposal
    from midspan_server.snapshot import DocumentSnapshot

SOURCE = "midspan"
_LONGEST_TEXT = 60
_ANNOTATION = "next-edit"


def can_show(capabilities: types.ClientCapabilities) -> bool:
    """Whether a client draws diagnostics and takes code actions with edits in them."""
    document = capabilities.text_document
    action = document.code_action if document else None
    return bool(
        document and document.publish_diagnostics and action and action.code_action_literal_support
    )


class Hints:
    """The hints that an editor shows now.

    Args:
        capabilities: Of the client.
        encoding: Of positions.
        memory: Knows the names of edits.
        publish: Sends a document's diagnostics.
    """

    def __init__(
        self,
        capabilities: types.ClientCapabilities,
        encoding: str,
        memory: Memory,
        publish: Callable[[types.PublishDiagnosticsParams], None],
    ) -> None:
        workspace = capabilities.workspace
        edits = workspace.workspace_edit if workspace else None
        self._has_versions = bool(edits and edits.document_changes)
        self._has_annotations = bool(
            self._has_versions and edits and edits.change_annotation_support
        )
        self._encoding = encoding
        self._memory = memory
        self._publish = publish
        self._shelf = Shelf()
        self._told: set[str] = set()

    def show(self, found: Iterable[Found]) -> None:
        """Show these in place of all others."""
        self._shelf.put(found)
        self._tell()

    def changed(self, before: DocumentSnapshot, after: DocumentSnapshot) -> None:
        """Carry the hints over a change; what it touched is gone."""
        if self._shelf.changed(before, after):
            self._tell()

    def closed(self, uri: str) -> None:
        """Drop those of a closed document."""
        self._shelf.forget(uri)
        self._tell()

    def actions(
        self, uri: str, wanted: types.Range, command: Callable[[Sequence[Proposal]], types.Command]
    ) -> list[types.CodeAction]:
        """The quick fixes for a range; `command` tells the server that they were picked."""
        waiting = [one.proposal for one in self._shelf.waiting()]
        here = [
            one
            for one in waiting
            if one.snapshot.uri == uri and _shares_line(self._range(one), wanted)
        ]
        found = [self._action(one, command([one])) for one in here]
        if here and len(waiting) > 1:
            title = f"Make all {len(waiting)} next edits"
            found.append(
                types.CodeAction(
                    title=title, kind=types.CodeActionKind.QuickFix, command=command(waiting)
                )
            )
        return found

    def named(self, names: Iterable[object]) -> list[Proposal]:
        """The waiting edits of these names."""
        wanted = set(names)
        waiting = (one.proposal for one in self._shelf.waiting())
        return [one for one in waiting if self._memory.offered(one) in wanted]

    def workspace_edit(self, proposals: Sequence[Proposal]) -> types.WorkspaceEdit:
        """The edits as one, by document; annotated where they are several and the client can."""
        by_document: dict[str, list[Proposal]] = {}
        for one in proposals:
            by_document.setdefault(one.snapshot.uri, []).append(one)
        if not self._has_versions:
            return types.WorkspaceEdit(
                changes={
                    uri: [types.TextEdit(self._range(one), one.text) for one in parts]
                    for uri, parts in by_document.items()
                }
            )
        is_annotated = self._has_annotations and len(proposals) > 1
        annotation = types.ChangeAnnotation(
            label="Next edits", needs_confirmation=len(by_document) > 1
        )
        return types.WorkspaceEdit(
            document_changes=[
                types.TextDocumentEdit(
                    types.OptionalVersionedTextDocumentIdentifier(
                        uri=uri, version=parts[0].snapshot.version
                    ),
                    [self._text_edit(one, annotated=is_annotated) for one in parts],
                )
                for uri, parts in by_document.items()
            ],
            change_annotations={_ANNOTATION: annotation} if is_annotated else None,
        )

    def _text_edit(
        self, one: Proposal, *, annotated: bool
    ) -> types.TextEdit | types.AnnotatedTextEdit:
        if annotated:
            return types.AnnotatedTextEdit(_ANNOTATION, self._range(one), one.text)
        return types.TextEdit(self._range(one), one.text)

    def _action(self, one: Proposal, command: types.Command) -> types.CodeAction:
        return types.CodeAction(
            title=_message(one).replace("n", "N", 1),
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[self._diagnostic(one)],
            is_preferred=True,
            edit=self.workspace_edit([one]),
            command=command,
        )

    def _tell(self) -> None:
        by_document: dict[str, list[Proposal]] = {uri: [] for uri in self._told}
        for one in self._shelf.waiting():
            by_document.setdefault(one.proposal.snapshot.uri, []).append(one.proposal)
        for uri, parts in by_document.items():
            self._publish(
                types.PublishDiagnosticsParams(
                    uri=uri,
                    version=parts[0].snapshot.version if parts else None,
                    diagnostics=[self._diagnostic(one) for one in parts],
                )
            )
        self._told = {uri for uri, parts in by_document.items() if parts}

    def _diagnostic(self, one: Proposal) -> types.Diagnostic:
        return types.Diagnostic(
            range=self._range(one),
            message=_message(one),
            severity=types.DiagnosticSeverity.Hint,
            source=SOURCE,
        )

    def _range(self, one: Proposal) -> types.Range:
        return one.snapshot.range_at(one.start, one.end, self._encoding)


def _message(one: Proposal) -> str:
    """`next edit: ` and the first line that it writes, or what goes."""
    hunk = as_hunk(one)
    lines = list(hunk.after)
    kept = set(hunk.before)
    first = next((line.strip() for line in lines if line.strip() and line not in kept), "")
    if not first:
        return f"next edit: {one.label}"
    short = first if len(first) <= _LONGEST_TEXT else f"{first[: _LONGEST_TEXT - 1]}…"
    return f"next edit: {short}"


def _shares_line(one: types.Range, other: types.Range) -> bool:
    return one.start.line <= other.end.line and other.start.line <= one.end.line
