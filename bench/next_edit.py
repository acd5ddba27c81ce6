"""Next edits without a model on recorded cases whose possible edits were graded by hand.

Each case is a recording that ends where a next edit could be offered, and a list of edits with
their grades: `nextEdit` (what should follow), `valid` (acceptable) and `bad`. An edit counts as
graded when it leads to the same text, blanks aside. What nobody graded is compared with what the
user did next (`user`: the edit is one part of it), and is `ungraded` otherwise.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from lsprotocol import types
from recording import Step, read_recording, steps

from midspan_server import syntax
from midspan_server.history import EditHistory
from midspan_server.language_of import language_of
from midspan_server.next_edit.proposals import NextEdits
from midspan_server.snapshot import DocumentSnapshot

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_MISSING = """\
{path} is not there. The cases are those of github.com/microsoft/vscode-copilot-chat (MIT),
test/simulation/fixtures/inlineEdits: a folder for each, with recording.w.json and
scoredEdits.w.json. Point --data at a folder that holds edit-traces/scored."""
_GRADES = ("nextEdit", "valid", "user", "ungraded", "bad", "silent")
_UNITS = "utf-16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One recording with its graded edits."""

    name: str
    log: list[dict[str, Any]]
    graded: list[dict[str, Any]]
    user: list[list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was offered first: its grade, the edit for people, and how long it took."""

    grade: str
    edit: str
    ms: float


def load(data: Path) -> list[Case]:
    """The cases.

    Raises:
        FileNotFoundError: there are none; the text says where they come from.
    """
    folder = data / "edit-traces" / "scored"
    if not folder.is_dir():
        raise FileNotFoundError(_MISSING.format(path=folder))
    cases = []
    for path in sorted(folder.iterdir()):
        recorded = msgspec.json.decode((path / "recording.w.json").read_bytes())
        scored = msgspec.json.decode((path / "scoredEdits.w.json").read_bytes())
        cases.append(
            Case(
                name=path.name,
                log=[one for one in read_recording(path / "recording.w.json") if "time" in one],
                graded=scored["edits"],
                user=recorded.get("nextUserEdit", {}).get("edit", []),
            )
        )
    return cases


class Player:
    """Plays a recording into documents and a history."""

    def __init__(self) -> None:
        self.history = EditHistory()
        self.documents: dict[int, DocumentSnapshot] = {}
        self.cursor = 0
        self.last = 0

    def take(self, step: Step) -> None:
        if step.opened is not None:
            self._open(step, step.opened)
            return
        document = before = self.documents[step.document]
        for change in step.changes:
            start = document.offset_at(types.Position(*change.start), _UNITS)
            end = document.offset_at(types.Position(*change.end), _UNITS)
            document = document.replaced(start, end, change.text, version=document.version + 1)
            self.cursor = start + len(change.text)
        self.history.record(before, document, step.at_ms / 1e3)
        self.documents[step.document] = document
        self.last = step.document

    def _open(self, step: Step, text: str) -> None:
        path = Path("/") / PurePosixPath(step.path)
        # A notebook is recorded as the text of its cells.
        language = "python" if path.suffix == ".ipynb" else language_of(path)
        syntax.forget(path.as_uri())
        self.documents[step.document] = DocumentSnapshot(
            uri=path.as_uri(), path=path, version=1, language=language, text=text
        )
        self.last = step.document


def answered(case: Case) -> Answer:
    """Play a case and grade the first edit that is offered."""
    player = Player()
    for step in steps(case.log):
        player.take(step)
    here = player.documents[player.last]
    recent_first = [here, *(one for one in player.documents.values() if one is not here)]
    began = time.perf_counter()
    offered = NextEdits().propose(player.history, recent_first, here.uri, player.cursor)
    ms = 1e3 * (time.perf_counter() - began)
    if not offered:
        return Answer(grade="silent", edit="", ms=ms)
    best = offered[0].proposal
    document = best.snapshot
    shown = f"{best.line + 1}: {document.text[best.start : best.end]!r} -> {best.text!r}"
    becomes = _plain(best.applied())
    for one in case.graded:
        is_here = PurePosixPath(one["documentUri"]).name == PurePosixPath(document.uri).name
        if is_here and one["edit"] and _plain(_edited(document, one["edit"])) == becomes:
            return Answer(grade=one["scoreCategory"], edit=shown, ms=ms)
    is_users = any(_plain(_edited(document, [part])) == becomes for part in case.user)
    return Answer(grade="user" if is_users else "ungraded", edit=shown, ms=ms)


def _edited(document: DocumentSnapshot, parts: list[list[Any]]) -> str:
    data = document.text.encode("utf-16-le")
    for start, end, text in sorted(parts, key=lambda part: -int(part[0])):
        data = data[: 2 * start] + text.encode("utf-16-le") + data[2 * end :]
    return data.decode("utf-16-le", "replace")


def _plain(text: str) -> str:
    return "".join(text.split())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="holds edit-traces")
    parser.add_argument("--out", type=Path, default=None, help="write the figures there, as JSON")
    args = parser.parse_args()
    try:
        cases = load(args.data)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    answers = {case.name: answered(case) for case in cases}
    for name, answer in answers.items():
        print(f"{answer.grade:9} {name}  {answer.edit}")
    counts = Counter(answer.grade for answer in answers.values())
    figures = {grade: counts[grade] for grade in _GRADES} | {
        "cases": len(cases),
        "p50_ms": round(statistics.median(answer.ms for answer in answers.values()), 1),
    }
    print(" ".join(f"{name}={value}" for name, value in figures.items()))
    if args.out:
        args.out.write_bytes(msgspec.json.encode(figures | {"answers": answers}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
