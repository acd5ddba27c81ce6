"""Places in real code where somebody might type: lines of the standard library's own sources."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from infilling_tasks import spread

from midspan_engine.protocol import InfillRequest, Scope

MODULES = (
    "argparse",
    "configparser",
    "csv",
    "difflib",
    "json.decoder",
    "shutil",
    "statistics",
    "tempfile",
    "textwrap",
    "zipfile",
)
PREFIX_CHARACTERS = 2000
SUFFIX_CHARACTERS = 500
_SHORTEST_LINE = 20
_TYPED_ALREADY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cursor in a line of code, and what its author typed next.

    Attributes:
        module: Whose source it is.
        before: Up to 2,000 characters before the cursor.
        typed: The rest of the line.
        after: Up to 500 characters from the line's end on.
        text: The whole source.
        cursor: Where the cursor is in it.
    """

    module: str
    before: str
    typed: str
    after: str
    text: str
    cursor: int

    def request(
        self, *, number: int, session: str, keys: int = 0, scope: Scope = "line", tokens: int = 64
    ) -> InfillRequest:
        """The request when `keys` more characters have been typed."""
        return InfillRequest(
            id=number,
            session=session,
            language="python",
            prefix=self.before + self.typed[:keys],
            suffix=self.after,
            scope=scope,
            max_tokens=tokens,
        )


def places(count: int, modules: tuple[str, ...] = MODULES) -> list[Place]:
    """Return `count` places, the same ones on every run of one Python version."""
    found = [place for module in modules for place in _in_source(module, source_of(module))]
    return spread(found, count)


def source_of(module: str) -> str:
    """The source of a module, without importing it."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def _in_source(module: str, text: str) -> list[Place]:
    """Lines of code with a full context on both sides; the cursor is a few characters into them."""
    result = []
    at = 0
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        code = line.strip()
        indent = len(line) - len(line.lstrip())
        cursor, end = start + indent + _TYPED_ALREADY, start + len(line.rstrip())
        enough = cursor >= PREFIX_CHARACTERS and len(text) - end >= SUFFIX_CHARACTERS
        if len(code) < _SHORTEST_LINE or code.startswith(("#", '"', "'")) or not enough:
            continue
        result.append(
            Place(
                module=module,
                before=text[cursor - PREFIX_CHARACTERS : cursor],
                typed=text[cursor:end],
                after=text[end : end + SUFFIX_CHARACTERS],
                text=text,
                cursor=cursor,
            )
        )
    return result
