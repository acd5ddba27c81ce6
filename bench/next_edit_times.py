"""How long next edits take: ranking regions, from save to suggestion, from accept to the next."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from editor_client import EditorClient
from next_edit_cases import language_in
from recording import steps

from midspan_server.history import EditHistory
from midspan_server.next_edit.regions import candidates
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from engine_process import EngineProcess
    from next_edit_cases import Case
    from recording import Step

_LINES = 300
_OPEN_FILES = 6
_RANKINGS = 300
_PATIENCE_S = 60.0
_NAMES = ("breadth", "extent", "span", "size")


def _program(lines: int, name: str) -> str:
    """One function that uses its parameter in every ninth line, and another of the same words."""
    body = [
        f"    row_{at} = {name} * {at}" if at % 9 == 0 else f"    cell_{at} = {at}  # width of it"
        for at in range(lines - 5)
    ]
    other = ["    return 'width'", "", "def other(width):", "    return width"]
    return "\n".join([f"def area({name}):", *body, *other, ""])


def figures(values: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the number of values, in ms."""
    if not values:
        return {"n": 0}
    at = {f"p{part}": round(float(np.percentile(values, part)), 1) for part in (50, 90, 99)}
    return {**at, "max": round(max(values), 1), "n": len(values)}


def ranking_times() -> dict[str, float]:
    """CPU time of `regions.candidates` after edits all over a file of 300 lines, six files open."""
    documents = []
    for number in range(_OPEN_FILES):
        path = Path(f"/bench/file_{number}.py")
        text = _program(_LINES, "width")
        documents.append(DocumentSnapshot(path.as_uri(), path, 1, "python", text))
    history, times, now = EditHistory(), [], 0.0
    for number in range(_RANKINGS):
        before = documents[number % 2]
        line = (37 * number) % (before.line_count - 2)
        start = before.line_starts[line]
        text = f"    cell_{number} = area(width, {number})\n"
        after = before.replaced(start, before.line_starts[line + 1], text, version=number + 2)
        history.record(before, after, now)
        documents[number % 2], now = after, now + 30.0
        began = time.process_time()
        candidates(history, documents, 5, 1e3)
        times.append(1e3 * (time.process_time() - began))
    return figures(times)


class _Desk:
    """An editor with the documents it has open."""

    def __init__(self, client: EditorClient) -> None:
        self.client = client
        self.documents: dict[str, DocumentSnapshot] = {}

    @classmethod
    async def start(cls, folder: Path, engine: EngineProcess | None) -> _Desk:
        environment = engine.environment if engine else _own(folder)
        client = await EditorClient.start(environment, folder / "lsp.log")
        options: dict[str, Any] = {
            "engine": {"autostart": False},
            "statusNotifications": True,
            "nextEdit": {"model": engine is not None},
        }
        params: dict[str, Any] = {"processId": None, "rootUri": None, "capabilities": {}}
        _, answer = client.request("initialize", {**params, "initializationOptions": options})
        await asyncio.wait_for(answer, _PATIENCE_S)
        client.notify("initialized", {})
        while engine is not None and client.state != "ready":  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.02)
        return cls(client)

    def close_all(self) -> None:
        for uri in self.documents:
            self.client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        self.documents.clear()

    def open(self, uri: str, text: str, language: str) -> None:
        if uri in self.documents:
            self.client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        self.documents[uri] = DocumentSnapshot(uri, None, 1, language, text)
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.client.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        known = self.documents[uri]
        places = [_position(*start), _position(*end)]
        version = known.version + 1
        self.documents[uri] = DocumentSnapshot(uri, None, version, known.language, "")
        change = {"range": {"start": places[0], "end": places[1]}, "text": text}
        document = {"uri": uri, "version": version}
        self.client.notify(
            "textDocument/didChange", {"textDocument": document, "contentChanges": [change]}
        )

    async def ask(
        self, uri: str, place: tuple[int, int], reason: str
    ) -> tuple[list[dict[str, Any]], float]:
        """The edits and the milliseconds from the question to the answer."""
        document = {"uri": uri, "version": self.documents[uri].version}
        began = time.perf_counter()
        if reason == "save":
            self.client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
        params = {"textDocument": document, "position": _position(*place), "reason": reason}
        _, answer = self.client.request("midspan/nextEdit", params)
        edits = (await asyncio.wait_for(answer, _PATIENCE_S))["edits"]
        return edits, 1e3 * (time.perf_counter() - began)

    def take(self, edit: dict[str, Any]) -> tuple[int, int]:
        """Make an edit as an editor does; the place behind it."""
        start, end = edit["range"]["start"], edit["range"]["end"]
        first = start["line"], start["character"]
        uri = edit["textDocument"]["uri"]
        self.change(uri, first, (end["line"], end["character"]), edit["newText"])
        self.client.notify("midspan/nextEditEvent", {"id": edit["id"], "kind": "accepted"})
        return first[0], first[1] + len(edit["newText"])


async def rename_times(folder: Path, engine: EngineProcess | None) -> dict[str, float | str]:
    """From accept to the next offer, until nothing of the renames is left.

    Raises:
        AssertionError: a use was left out, or the order was another one.
    """
    desk = await _Desk.start(folder, engine)
    first, later, uri, old = [], [], "file:///bench/area.py", "width"
    desk.open(uri, _program(_LINES, old), "python")
    wanted = [row for row in range(1, _LINES - 4) if (row - 1) % 9 == 0]
    for name in _NAMES:
        desk.change(uri, (0, 9), (0, 9 + len(old)), name)
        edits, ms = await desk.ask(uri, (0, 9 + len(name)), "save")
        first.append(ms)
        rows = []
        while edits and edits[0]["newText"] == name:
            rows.append(edits[0]["range"]["start"]["line"])
            place = desk.take(edits[0])
            edits, ms = await desk.ask(uri, place, "accepted")
            later.append(ms)
        assert rows == wanted, f"offered {rows}, wanted {wanted}"
        # The last question finds nothing to rename: that is the model's time.
        later.pop()
        old = name
    await desk.client.quit()
    followed = {f"next_{key}": value for key, value in figures(later).items()}
    return {"first_p50": figures(first)["p50"], "uses": len(wanted), **followed}


async def save_times(
    folder: Path, engine: EngineProcess, cases: list[Case], rounds: int
) -> dict[str, float]:
    """From save to the answer, for answers with an edit and for those without."""
    desk = await _Desk.start(folder, engine)
    shown: list[float] = []
    silent: list[float] = []
    for number in range(rounds):
        for case in cases:
            desk.close_all()
            uri, place = _played(desk, f"file:///{case.name}/{number}/", steps(case.log))
            edits, ms = await desk.ask(uri, place, "save")
            (shown if edits else silent).append(ms)
    await desk.client.quit()
    return {
        **{f"shown_{key}": value for key, value in figures(shown).items()},
        **{f"silent_{key}": value for key, value in figures(silent).items()},
    }


def _played(desk: _Desk, root: str, all_steps: list[Step]) -> tuple[str, tuple[int, int]]:
    """Take the steps; return the last document and the place of the last edit."""
    uri, place = "", (0, 0)
    for step in all_steps:
        uri = root + step.path
        if step.opened is not None:
            desk.open(uri, step.opened, language_in(step))
        for change in step.changes:
            desk.change(uri, change.start, change.end, change.text)
            place = change.start
    return uri, place


def _position(line: int, character: int) -> dict[str, int]:
    return {"line": line, "character": character}


def _own(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "MIDSPAN_SOCKET": str(folder / "engine.sock"),
        "MIDSPAN_STATE": str(folder / "state"),
    }
