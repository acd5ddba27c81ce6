"""The recorded and graded cases of `next_edit.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
from lsprotocol import types
from recording import read_recording, steps

from midspan_server import syntax
from midspan_server.history import EditHistory
from midspan_server.language_of import language_of
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from recording import Step

    from midspan_server.next_edit.proposal import Proposal
    from midspan_server.next_edit.regions import Candidate

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_MISSING = """\
{path} is not there. The cases are those of github.com/microsoft/vscode-copilot-chat (MIT),
test/simulation/fixtures/inlineEdits: a folder for each, with recording.w.json and
scoredEdits.w.json. Point --data at a folder that holds edit-traces/scored."""
_UNITS = "utf-16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One recording with its graded edits."""

    name: str
    log: list[dict[str, Any]]
    graded: list[dict[str, Any]]
    user: list[list[Any]]


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


def language_in(step: Step) -> str:
    """The language of a recorded document; a notebook is recorded as the text of its cells."""
    path = Path("/") / PurePosixPath(step.path)
    return "python" if path.suffix == ".ipynb" else language_of(path)


class Player:
    """Plays a recording into documents and a history."""

    def __init__(self) -> None:
        self.history = EditHistory()
        self.documents: dict[int, DocumentSnapshot] = {}
        self.cursor = 0
        self.last = 0

    def take(self, step: Step) -> None:
        """Open a document, or edit it."""
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
        syntax.forget(path.as_uri())
        self.documents[step.document] = DocumentSnapshot(
            uri=path.as_uri(), path=path, version=1, language=language_in(step), text=text
        )
        self.last = step.document


def played(case: Case) -> Player:
    """A case at its end."""
    player = Player()
    for step in steps(case.log):
        player.take(step)
    return player


def grade(case: Case, proposal: Proposal) -> str:
    """What an edit was graded; `user` and `ungraded` as the head of `next_edit.py` says."""
    document = proposal.snapshot
    becomes = _plain(proposal.applied())
    for one in case.graded:
        is_here = PurePosixPath(one["documentUri"]).name == PurePosixPath(document.uri).name
        if is_here and one["edit"] and _plain(_edited(document, one["edit"])) == becomes:
            return str(one["scoreCategory"])
    is_users = any(_plain(_edited(document, [part])) == becomes for part in case.user)
    return "user" if is_users else "ungraded"


def rank_of_place(case: Case, player: Player, regions: list[Candidate]) -> int | None:
    """Number, from 1, of the first region that holds the place of a good edit; None for none."""
    good = [one for one in case.graded if one["scoreCategory"] in {"nextEdit", "valid"}]
    for number, region in enumerate(regions, 1):
        document = next(one for one in player.documents.values() if one.uri == region.uri)
        start = document.line_starts[region.start_line]
        is_last = region.end_line >= document.line_count
        end = len(document.text) if is_last else document.line_starts[region.end_line]
        # The grades count in utf-16 units.
        first, last = (_utf16(document.text[:at]) for at in (start, end))
        for one in good:
            name = PurePosixPath(one["documentUri"]).name
            is_here = name == PurePosixPath(document.uri).name
            parts = (one["edit"] if is_here else None) or []
            if any(first <= part[0] and part[1] <= last for part in parts):
                return number
    return None


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _edited(document: DocumentSnapshot, parts: list[list[Any]]) -> str:
    data = document.text.encode("utf-16-le")
    for start, end, text in sorted(parts, key=lambda part: -int(part[0])):
        data = data[: 2 * start] + text.encode("utf-16-le") + data[2 * end :]
    return data.decode("utf-16-le", "replace")


def _plain(text: str) -> str:
    return "".join(text.split())
