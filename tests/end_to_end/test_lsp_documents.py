"""Documents as editors have them: large, in other units, unsaved, notebooks, changed on disk."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from lsprotocol import types

from midspan_server.reading import _REMEMBERED_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.end_to_end.editor import Editor
    from tests.end_to_end.scripted_engine import ScriptedEngine

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///project/area.py"
SNAKE = "\N{SNAKE}"


@pytest.fixture
def answering(engine: ScriptedEngine) -> ScriptedEngine:
    """An engine that always says the same."""
    engine.reply = lambda _: "value"
    return engine


async def test_twenty_thousand_lines(answering: ScriptedEngine, start_editor: StartEditor) -> None:
    editor = await start_editor()
    editor.open(URI, "number = 1\n" * 20_000)
    editor.insert(URI, 15_000, 0, "other = \n")
    began = time.monotonic()
    assert await editor.texts(URI, 15_000, 8) == ["value"]
    assert time.monotonic() - began < 5
    request = answering.requests[0]
    assert request.prefix.endswith("number = 1\nother = ")
    assert len(request.prefix) < 5_000
    assert len(request.suffix) < 2_000


async def test_a_line_of_a_megabyte(answering: ScriptedEngine, start_editor: StartEditor) -> None:
    editor = await start_editor()
    editor.open(URI, "data = '" + "é" * 1_000_000 + "'\nother = \n")
    began = time.monotonic()
    editor.insert(URI, 0, 8 + 500_000, "x")
    assert await editor.texts(URI, 1, 8) == ["value"]
    assert await editor.texts(URI, 0, 8 + 1_000_001) == []
    assert time.monotonic() - began < 5
    assert len(answering.requests[0].prefix) < 5_000


@pytest.mark.parametrize(
    ("encoding", "units"), [("utf-8", 4), ("utf-16", 2), ("utf-32", 1)], ids=str
)
async def test_characters_beyond_the_basic_plane_in_each_encoding(
    encoding: str,
    units: int,
    answering: ScriptedEngine,
    start_editor: StartEditor,
    ghost_text_client: Callable[..., types.ClientCapabilities],
) -> None:
    editor = await start_editor(capabilities=ghost_text_client(encoding))
    assert editor.capabilities.position_encoding == encoding
    editor.open(URI, f"name = '{SNAKE}'; other = \n")
    editor.insert(URI, 0, 8 + units, SNAKE)
    character = 8 + 2 * units + len("'; other = ")
    [item] = await editor.suggest(URI, 0, character)
    assert item.range is not None
    assert item.range.start == types.Position(0, character)
    assert answering.requests[0].prefix == f"name = '{SNAKE}{SNAKE}'; other = "


async def test_half_a_surrogate_pair_breaks_nothing(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, "name = '\ud83d'\nother = \n")
    assert await editor.texts(URI, 1, 8) == ["value"]
    assert answering.requests[0].prefix == "name = '\N{REPLACEMENT CHARACTER}'\nother = "


async def test_crlf_line_ends(answering: ScriptedEngine, start_editor: StartEditor) -> None:
    editor = await start_editor()
    editor.open(URI, "def f():\r\n    first = 1\r\n    other = \r\n")
    assert await editor.texts(URI, 2, 12) == ["value"]
    assert answering.requests[0].prefix.endswith("    other = ")
    editor.insert(URI, 2, 12, "va")
    assert await editor.texts(URI, 2, 14) == ["lue"]


async def test_tabs(answering: ScriptedEngine, start_editor: StartEditor) -> None:
    editor = await start_editor()
    editor.open("file:///project/area.go", "func f() {\n\tother := \n}\n", "go")
    [item] = await editor.suggest("file:///project/area.go", 1, 10)
    assert item.range is not None
    assert item.range.start == types.Position(1, 10)
    assert answering.requests[0].prefix.endswith("\tother := ")


async def test_an_unsaved_buffer(answering: ScriptedEngine, start_editor: StartEditor) -> None:
    editor = await start_editor()
    editor.open("untitled:Untitled-1", "first = 1\nother = \n")
    assert await editor.texts("untitled:Untitled-1", 1, 8) == ["value"]
    assert answering.requests[0].prefix == "first = 1\nother = "


async def test_a_form_feed_is_no_line_end(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, "first = 1\n\f\nother = \n")
    assert await editor.texts(URI, 2, 8) == ["value"]
    assert answering.requests[0].prefix == "first = 1\n\f\nother = "


async def test_a_notebook_cell(answering: ScriptedEngine, start_editor: StartEditor) -> None:
    editor = await start_editor()
    assert editor.capabilities.notebook_document_sync is not None
    notebook = "file:///project/analysis.ipynb"
    cell = "vscode-notebook-cell:/project/analysis.ipynb#W1"
    editor.notebook_document_did_open(
        types.DidOpenNotebookDocumentParams(
            notebook_document=types.NotebookDocument(
                uri=notebook,
                notebook_type="jupyter-notebook",
                version=1,
                cells=[types.NotebookCell(types.NotebookCellKind.Code, cell)],
            ),
            cell_text_documents=[types.TextDocumentItem(cell, "python", 1, "first = 1\n")],
        )
    )
    insertion = types.TextDocumentContentChangePartial(
        range=types.Range(types.Position(1, 0), types.Position(1, 0)), text="other = "
    )
    editor.notebook_document_did_change(
        types.DidChangeNotebookDocumentParams(
            types.VersionedNotebookDocumentIdentifier(2, notebook),
            types.NotebookDocumentChangeEvent(
                cells=types.NotebookDocumentCellChanges(
                    text_content=[
                        types.NotebookDocumentCellContentChanges(
                            types.VersionedTextDocumentIdentifier(2, cell), [insertion]
                        )
                    ]
                )
            ),
        )
    )
    assert await editor.texts(cell, 1, 8) == ["value"]
    assert answering.requests[0].prefix == "first = 1\nother = "
    assert answering.requests[0].path.endswith("analysis.ipynb")
    editor.notebook_document_did_close(
        types.DidCloseNotebookDocumentParams(
            types.NotebookDocumentIdentifier(notebook), [types.TextDocumentIdentifier(cell)]
        )
    )
    assert await editor.texts(cell, 1, 8) == []


async def test_the_editors_text_counts_when_the_file_changes_on_disk(
    answering: ScriptedEngine, start_editor: StartEditor, tmp_path: Path
) -> None:
    file = tmp_path / "area.py"
    file.write_text("first = 1\nother = \n")
    editor = await start_editor(folder=tmp_path)
    editor.open(file.as_uri(), file.read_text())
    file.write_text("somebody else wrote this\n")
    assert await editor.texts(file.as_uri(), 1, 8) == ["value"]
    assert answering.requests[0].prefix == "first = 1\nother = "


async def test_an_ignore_file_that_changes_on_disk_is_obeyed(
    answering: ScriptedEngine, start_editor: StartEditor, tmp_path: Path
) -> None:
    file = tmp_path / "area.py"
    editor = await start_editor(folder=tmp_path)
    editor.open(file.as_uri(), "first = 1\nother = \n")
    (tmp_path / ".midspanignore").write_text("area.py\n")
    # Verdicts are remembered that long, and opening the document may have asked for one.
    await asyncio.sleep(_REMEMBERED_S + 0.1)
    assert await editor.texts(file.as_uri(), 1, 8) == []
    assert answering.requests == []


async def test_a_document_that_is_not_open_gets_no_suggestion_and_changes_of_it_are_ignored(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.versions[URI] = 1
    editor.insert(URI, 0, 0, "x")
    assert await editor.texts(URI, 0, 0) == []
    editor.open(URI, "other = \n")
    assert await editor.texts(URI, 0, 8) == ["value"]
    assert answering.requests[0].prefix == "other = "


async def test_a_closed_document_is_forgotten(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, "other = \n")
    editor.text_document_did_close(
        types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(URI))
    )
    assert await editor.texts(URI, 0, 8) == []
    assert answering.requests == []
