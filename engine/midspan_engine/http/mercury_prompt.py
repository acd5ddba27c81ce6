"""Mercury's prompt for a next edit, taken apart.

The region stands between `<|code_to_edit|>` and `<|/code_to_edit|>`, inside the file (Zed,
Continue) or behind it (Mercury's own example). Both marks have a line of their own, but for the end
of a region that has no line break at its end.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.protocol import PastEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

_CURSOR = "<|cursor|>"
_PATH = "current_file_path:"
_SNIPPETS_END = "<|/recently_viewed_code_snippets|>"
_MOST_PLACES = 1000
_EDITED = re.compile(r'User edited (?:file: )?"([^"]+)":?')


@dataclass(frozen=True, slots=True, kw_only=True)
class MercuryPrompt:
    """What a prompt says.

    Attributes:
        path: Of the file, "" when it is not named.
        before: Lines before the region.
        region: As it stands between the marks, the cursor taken out.
        after: Lines after it.
        cursor: Where in the region the cursor is; None when it is not shown.
        history: Hunks, oldest first.
    """

    path: str
    before: str
    region: str
    after: str
    cursor: int | None
    history: tuple[PastEdit, ...]


def parse_mercury(prompt: str) -> MercuryPrompt | None:
    """Take a prompt apart; None when it has no region."""
    # A snippet of code that reads such prompts has the same marks.
    start, end = _inside(prompt, "code_to_edit", _snippets_end(prompt))
    if start < 0:
        return None
    inside = prompt[start:end]
    file_start, file_end = _inside(prompt, "current_file_content", _snippets_end(prompt))
    if 0 <= file_start <= start <= file_end:
        before = prompt[file_start : prompt.rindex("<|code_to_edit|>", 0, start)]
        after = _without_break(prompt[end:file_end].partition("<|/code_to_edit|>")[2])
        path, before = _path_line(before)
    else:
        path, content = _path_line(prompt[file_start:file_end] if file_start >= 0 else "")
        before, after = _around(content, inside)
    if not inside.endswith("\n"):
        after = _without_break(after)
    at = inside.find(_CURSOR)
    first, last = _inside(prompt, "edit_diff_history")
    return MercuryPrompt(
        path=path,
        before=before.replace(_CURSOR, ""),
        region=inside.replace(_CURSOR, ""),
        after=after.replace(_CURSOR, ""),
        cursor=at if at >= 0 else None,
        history=tuple(parse_history(prompt[first:last])) if first >= 0 else (),
    )


def _snippets_end(prompt: str) -> int:
    return prompt.find(_SNIPPETS_END) + 1


def _inside(prompt: str, name: str, begin: int = 0) -> tuple[int, int]:
    """Where the text between a pair of marks starts and ends; -1 for both when it is missing.

    The end mark is optional: a prompt that was cut off has none.
    """
    mark = f"<|{name}|>"
    start = prompt.find(mark, begin)
    if start < 0:
        return -1, -1
    start += len(mark)
    start += prompt.startswith("\n", start)
    end = prompt.find(f"<|/{name}|>", start)
    return start, len(prompt) if end < 0 else end


def _without_break(text: str) -> str:
    return text.removeprefix("\r\n") if text.startswith("\r") else text.removeprefix("\n")


def _path_line(text: str) -> tuple[str, str]:
    first, _, rest = text.partition("\n")
    if first.startswith(_PATH):
        return first.removeprefix(_PATH).strip(), rest
    return "", text


def _around(content: str, inside: str) -> tuple[str, str]:
    """What of the file stands before and after the region; all before, where it is not found."""
    marked = content.find(_CURSOR)
    content = content.replace(_CURSOR, "")
    region = inside.replace(_CURSOR, "").strip("\n")
    found = re.finditer(re.escape(region), content) if region else iter(())
    places = [match.start() for match in itertools.islice(found, _MOST_PLACES)]
    if not places:
        return content, ""
    cursor = marked if marked >= 0 else places[0]
    at = min(places, key=lambda place: (not place <= cursor <= place + len(region), place))
    return content[:at], _without_break(content[at + len(region) :])


def parse_history(text: str) -> Iterator[PastEdit]:
    """Hunks of unified diffs, in order; their headers are left out."""
    path = ""
    hunk: list[str] | None = None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        edited = _EDITED.match(line)
        header = line.startswith("--- ") and following.startswith("+++ ")
        if header or edited or line.startswith("@@"):
            yield from _hunk(path, hunk)
            path = edited[1] if edited else path
            hunk = [] if line.startswith("@@") else None
        elif line.startswith("+++ ") and hunk is None:
            path = line[4:].partition("\t")[0].strip().removeprefix("b/")
            hunk = []
        elif hunk is not None and line[:1] in {" ", "+", "-", ""}:
            hunk.append(line or " ")
    yield from _hunk(path, hunk)


def _hunk(path: str, lines: list[str] | None) -> Iterator[PastEdit]:
    while lines and lines[-1] == " ":
        lines.pop()
    if lines and any(line[0] in "+-" for line in lines):
        yield PastEdit(path=path, diff="".join(f"{line}\n" for line in lines))
