"""Hints and quick fixes as the editor gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lsprotocol import types

from midspan_server.next_edit.hints import Hints, can_show
from midspan_server.next_edit.memory import Memory
from midspan_server.next_edit.proposal import Found, Proposal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.server.next_edit.conftest import Desk

NOWHERE = types.Range(types.Position(0, 0), types.Position(0, 0))


class Shown:
    """Hints with all that they told."""

    def __init__(self, *, annotations: bool = True) -> None:
        self.told: list[types.PublishDiagnosticsParams] = []
        support = types.ChangeAnnotationsSupportOptions() if annotations else None
        edits = types.WorkspaceEditClientCapabilities(
            document_changes=True, change_annotation_support=support
        )
        capabilities = types.ClientCapabilities(
            workspace=types.WorkspaceClientCapabilities(workspace_edit=edits)
        )
        self.hints = Hints(capabilities, "utf-16", Memory(), self.told.append)

    def messages(self, uri: str) -> list[str]:
        last = next(one for one in reversed(self.told) if one.uri == uri)
        return [one.message for one in last.diagnostics]


def _found(desk: Desk, name: str, old: str, new: str, label: str = "change 1 line") -> Found:
    document = desk.documents[name]
    start = document.text.index(old)
    proposal = Proposal(
        snapshot=document, start=start, end=start + len(old), text=new, label=label, cause=""
    )
    return Found(proposal, 0.7)


def _command(proposals: Sequence[Proposal]) -> types.Command:
    return types.Command(title="", command="c", arguments=[one.text for one in proposals])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("f(1)", "f(1, 2)", "next edit: x = f(1, 2)"),
        ("x = f(1)\n", "", "next edit: remove 1 line"),
        ("x = f(1)", "x = f(1)\nlog(x)", "next edit: log(x)"),
        ("1", "a" * 80, f"next edit: x = f({'a' * 53}…"),
    ],
)
def test_a_hint_tells_the_first_line_that_comes(
    desk: Desk, old: str, new: str, message: str
) -> None:
    desk.open("a.py", "x = f(1)\ny = 2\n")
    shown = Shown()
    label = "remove 1 line" if not new else "change 1 line"
    shown.hints.show([_found(desk, "a.py", old, new, label)])
    assert shown.messages("file:///p/a.py") == [message]


def test_new_hints_replace_the_old_ones_in_every_document(desk: Desk) -> None:
    desk.open("a.py", "x = 1\n")
    desk.open("b.py", "y = 1\n")
    shown = Shown()
    shown.hints.show([_found(desk, "a.py", "1", "2"), _found(desk, "b.py", "1", "2")])
    shown.hints.show([_found(desk, "b.py", "1", "3")])
    assert shown.messages("file:///p/a.py") == []
    assert shown.messages("file:///p/b.py") == ["next edit: y = 3"]
    shown.hints.closed("file:///p/b.py")
    assert shown.messages("file:///p/b.py") == []


def test_a_quick_fix_is_offered_on_its_line_only(desk: Desk) -> None:
    document = desk.open("a.py", "x = 1\ny = 1\n")
    shown = Shown()
    shown.hints.show([_found(desk, "a.py", "y = 1", "y = Point")])
    line = types.Range(types.Position(1, 3), types.Position(1, 3))
    assert shown.hints.actions(document.uri, NOWHERE, _command) == []
    assert shown.hints.actions("file:///p/b.py", line, _command) == []
    [fix] = shown.hints.actions(document.uri, line, _command)
    assert fix.title == "Next edit: y = Point"
    assert fix.command is not None
    assert fix.command.arguments == ["y = Point"]


@pytest.mark.parametrize("annotations", [True, False])
def test_several_files_are_one_edit_that_asks_to_be_confirmed(
    desk: Desk, *, annotations: bool
) -> None:
    desk.open("a.py", "x = 1\n")
    desk.open("b.py", "y = 1\n")
    shown = Shown(annotations=annotations)
    both = [_found(desk, name, "1", "2").proposal for name in ("a.py", "b.py")]
    edit = shown.hints.workspace_edit(both)
    assert len(edit.document_changes or ()) == 2
    if annotations:
        [annotation] = (edit.change_annotations or {}).values()
        assert annotation.needs_confirmation
    else:
        assert edit.change_annotations is None


def test_only_clients_with_code_actions_get_hints() -> None:
    diagnostics = types.PublishDiagnosticsClientCapabilities()
    document = types.TextDocumentClientCapabilities(publish_diagnostics=diagnostics)
    assert not can_show(types.ClientCapabilities())
    assert not can_show(types.ClientCapabilities(text_document=document))
