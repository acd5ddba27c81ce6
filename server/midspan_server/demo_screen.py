"""What the demo shows: an excerpt of the file with the suggestion in place, and the figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.indent import leading

if TYPE_CHECKING:
    from midspan_server.demo_session import Shown
    from midspan_server.example_project import Unfinished

_LINES_ABOVE = 4
_LINES_BELOW = 2
_TAB, _TAB_SHOWN = "\t", "    "


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """What stands before and behind a suggestion and quiet text."""

    open: str
    close: str
    quiet: str = ""
    loud: str = ""
    plain: str = ""


COLOURED = Palette(
    open="\033[1;32m", close="\033[0m", quiet="\033[2m", loud="\033[1m", plain="\033[0m"
)
MARKED = Palette(open="«", close="»")


def heading(place: Unfinished, palette: Palette) -> str:
    """Return the title of an excerpt: `file:line:column`, from 1."""
    where = f"{place.path.name}:{place.line + 1}:{place.character + 1}"
    return f"{palette.loud}{where}{palette.plain}"


def excerpt(place: Unfinished, suggestion: str, palette: Palette) -> str:
    """Return the lines around the cursor with `suggestion` in place.

    Each line of a suggestion is marked by itself, so that line numbers and indents stay unmarked.
    """
    above, below = place.before.split("\n"), place.after.split("\n")
    marked = "\n".join(_marked(line, palette) for line in suggestion.split("\n"))
    first = max(0, len(above) - 1 - _LINES_ABOVE)
    lines = [*above[first:-1], *f"{above[-1]}{marked}{below[0]}".split("\n")]
    lines += below[1 : 1 + _LINES_BELOW]
    return "\n".join(
        f"{palette.quiet}{number:>4} │{palette.plain} {line.replace(_TAB, _TAB_SHOWN)}".rstrip()
        for number, line in enumerate(lines, start=first + 1)
    )


def figures(shown: Shown, palette: Palette) -> str:
    """Return what the suggestion cost, in one line."""
    latency = f"     {palette.loud}{shown.latency_ms:,.0f} ms{palette.plain}"
    if shown.stats is None:
        return latency
    stats = shown.stats
    return (
        f"{latency}{palette.quiet}  {_count(stats.passes, 'forward pass', 'es')} for "
        f"{_count(stats.tokens, 'token')}; {stats.accepted} of {stats.drafted} drafted accepted; "
        f"context {_count(stats.prompt_tokens, 'token')}, {stats.cached_tokens} cached"
        f"{palette.plain}"
    )


def _marked(line: str, palette: Palette) -> str:
    indent = leading(line)
    code = line[len(indent) :]
    return f"{indent}{palette.open}{code}{palette.close}" if code else line


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
