"""Recorded editing sessions of vscode-copilot-chat (MIT), as steps that a replay can take.

A recording is `{"log": [...]}`. `setContent` gives a document's text, `changed` edits it
(`[start, end, text]` in UTF-16 units of the text before the edit, several in one step),
`storeContent` keeps a text under a name and `restoreContent` brings it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import msgspec

_LANGUAGES = {
    ".ts": "typescript",
    ".tsx": "typescriptreact",
    ".js": "javascript",
    ".mjs": "javascript",
    ".json": "json",
    ".md": "markdown",
    ".py": "python",
}
_MISSING = """\
{path} is not there. The recordings are those of github.com/microsoft/vscode-copilot-chat (MIT),
src/extension/inlineEdits/test/node/recordings. Point --data at a folder that holds
edit-traces/recordings."""
_FILE = "EditSourceTracker.test1.recording.w.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A part of an edit: what stood in a range of lines and columns is now `text`."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened to one document.

    Attributes:
        at_ms: Since the recording began.
        document: Number of the document.
        path: Relative, with slashes.
        language: LSP language identifier.
        opened: Its whole text when this step opens or replaces it, else None.
        changes: The parts of an edit, last one first, so that none moves another.
        cursor: Line and column behind the edit; None where it does not say where the user is.
    """

    at_ms: float
    document: int
    path: str
    language: str
    opened: str | None = None
    changes: tuple[Change, ...] = ()
    cursor: tuple[int, int] | None = None


def recording_path(folder: Path) -> Path:
    """The recorded session of 1.5 hours.

    Raises:
        FileNotFoundError: it is not there; the text says where it comes from.
    """
    path = folder / "edit-traces" / "recordings" / _FILE
    if not path.is_file():
        raise FileNotFoundError(_MISSING.format(path=path))
    return path


def read_recording(path: Path) -> list[dict[str, Any]]:
    """The events of a file."""
    content: dict[str, list[dict[str, Any]]] = msgspec.json.decode(path.read_bytes())
    return content["log"]


def steps(log: list[dict[str, Any]]) -> list[Step]:
    """From events to steps, in the order of the log."""
    reader = _Reader()
    found = [reader.step(event) for event in log]
    return [step for step in found if step is not None]


def closer_together(all_steps: list[Step], longest_pause_ms: float) -> list[tuple[float, Step]]:
    """Each step with its time of play: pauses in which nothing happens are cut."""
    played: list[tuple[float, Step]] = []
    now = before = 0.0
    for step in all_steps:
        now += min(longest_pause_ms, max(0.0, step.at_ms - before))
        before = max(before, step.at_ms)
        played.append((now, step))
    return played


class _Reader:
    def __init__(self) -> None:
        self._began: float | None = None
        self._paths: dict[int, str] = {}
        self._texts: dict[int, str] = {}
        self._stored: dict[tuple[int, str], str] = {}

    def step(self, event: dict[str, Any]) -> Step | None:
        if self._began is None:
            self._began = event["time"]
        match event["kind"]:
            case "documentEncountered":
                path = PureWindowsPath(event["relativePath"]).as_posix()
                self._paths[event["id"]] = path
            case "setContent":
                return self._opened(event, event["content"])
            case "storeContent":
                self._stored[event["id"], event["contentId"]] = self._texts[event["id"]]
            case "restoreContent":
                return self._opened(event, self._stored[event["id"], event["contentId"]])
            case "changed":
                return self._changed(event)
        return None

    def _opened(self, event: dict[str, Any], text: str) -> Step:
        self._texts[event["id"]] = text
        return self._of(event, opened=text)

    def _changed(self, event: dict[str, Any]) -> Step:
        before = self._texts[event["id"]]
        edits = sorted(event["edit"], reverse=True)
        after = before
        for start, end, text in edits:
            after = _spliced(after, start, end, text)
        self._texts[event["id"]] = after
        changes = tuple(
            Change(start=position(before, start), end=position(before, end), text=text)
            for start, end, text in edits
        )
        cursor = None
        if len(edits) == 1:
            start, _, text = edits[0]
            cursor = position(after, start + _units(text))
        return self._of(event, changes=changes, cursor=cursor)

    def _of(self, event: dict[str, Any], **what: Any) -> Step:
        path = self._paths[event["id"]]
        return Step(
            at_ms=float(event["time"] - (self._began or 0)),
            document=event["id"],
            path=path,
            language=_LANGUAGES.get(PureWindowsPath(path).suffix, "plaintext"),
            **what,
        )


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column (both in UTF-16 units, as LSP counts) of an offset in UTF-16 units."""
    before = _cut(text, offset)
    line_start = before.rfind("\n") + 1
    return before.count("\n"), _units(before[line_start:])


def _spliced(text: str, start: int, end: int, new: str) -> str:
    return _cut(text, start) + new + text[len(_cut(text, end)) :]


def _cut(text: str, units: int) -> str:
    """The first `units` UTF-16 units of `text`."""
    if text.isascii():
        return text[:units]
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le")


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
