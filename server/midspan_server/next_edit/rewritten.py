"""A rewritten region as proposals: only the lines that change, each place by itself.

Lines are compared without their ends, so the document keeps its own, and a last line that has none
stays so.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from midspan_server.next_edit.asking import region_text
from midspan_server.next_edit.proposal import Proposal
from midspan_server.next_edit.tokens import common_ends, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.next_edit.regions import Candidate
    from midspan_server.snapshot import DocumentSnapshot

# As many lines between two changes make two edits of them.
APART_LINES = 3


@dataclass(frozen=True, slots=True)
class _Lines:
    """`old` lines from `first` of the region on become `new`."""

    first: int
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def is_blank(self) -> bool:
        """Whether nothing but blanks changes."""
        return "".join("".join(self.old).split()) == "".join("".join(self.new).split())


def proposals(document: DocumentSnapshot, region: Candidate, text: str) -> list[Proposal]:
    """The edits that turn a region of `document` into `text`, in order; () where none is left.

    What changes blanks alone is left out: nobody asked for it.
    """
    original = region_text(document, region.start_line, region.end_line)
    # Whether the last line ends in LF is not the model's to change.
    found = _changes(_split(original), _split(text))
    return [_proposal(document, region.start_line, one) for one in found if not one.is_blank]


def joined(parts: Sequence[Proposal]) -> Proposal:
    """Edits of one document, in order and not empty, as one."""
    first, text = parts[0], parts[0].snapshot.text
    pieces: list[str] = []
    at = first.start
    for one in parts:
        pieces += [text[at : one.start], one.text]
        at = one.end
    return Proposal(
        snapshot=first.snapshot,
        start=first.start,
        end=at,
        text="".join(pieces),
        label=first.label,
        cause=first.cause,
    )


def _split(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text.strip("\n") else []


def _changes(old: list[str], new: list[str]) -> list[_Lines]:
    """Runs of lines that differ; those that are near each other are one."""
    found: list[list[int]] = []
    for kind, first, last, begin, end in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            continue
        if found and first - found[-1][1] < APART_LINES:
            found[-1][1], found[-1][3] = last, end
        else:
            found.append([first, last, begin, end])
    return [_Lines(a, tuple(old[a:b]), tuple(new[c:d])) for a, b, c, d in found]


def _proposal(document: DocumentSnapshot, start_line: int, change: _Lines) -> Proposal:
    start, end, text = _placed(document, start_line + change.first, change)
    line_end = "\r\n" if "\r\n" in document.text else "\n"
    return Proposal(
        snapshot=document,
        start=start,
        end=end,
        text=text.replace("\n", line_end),
        label=_label(change),
        cause=f"edit {change.old} {change.new}",
    )


def _placed(document: DocumentSnapshot, line: int, change: _Lines) -> tuple[int, int, str]:
    """Offsets and text; `line` is the first that changes, in the document."""
    starts, behind = document.line_starts, line + len(change.old)
    joined_text = "\n".join(change.new)
    if change.old and change.new:
        start, end = starts[line], document.line_end(behind - 1)
        if len(change.old) == len(change.new) == 1:
            head, tail = common_ends(tokens(change.old[0]), tokens(change.new[0]))
            return start + head, end - tail, joined_text[head : len(joined_text) - tail]
        return start, end, joined_text
    if behind < document.line_count:
        return starts[line], starts[behind], joined_text + "\n" if change.new else ""
    # Behind the last line, which has no end of its own.
    start = document.line_end(line - 1) if line else 0
    return start, len(document.text), f"\n{joined_text}" if change.new else ""


def _label(change: _Lines) -> str:
    if not change.old:
        return f"add {_lines(len(change.new))}"
    if not change.new:
        return f"remove {_lines(len(change.old))}"
    return f"change {_lines(len(change.old))}"


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"
