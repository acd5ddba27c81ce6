"""The class that a type in the code speaks of."""

from __future__ import annotations

import re

NOTHING = frozenset({"None", "null", "undefined", "nullptr", "NULL", "nil"})
"""How a variable is written to hold no object."""

_BEFORE = re.compile(
    r"'\w+\s+|[:&*\s\"]+|'(?!\w+\s)|(?:mut|const|struct|class|final|readonly|dyn)\s+"
    r"|Optional\[|(?:Box|Rc|Arc|unique_ptr|shared_ptr)<"
)
_NAME = re.compile(r"(\w+)\s*(?:<[^;]*>|\[[A-Za-z_][^'\"]*\])?[\s&*?>\]\"']*$")
_ALTERNATIVE = re.compile(r"\s*\|\s*")


def class_of_type(text: str) -> str:
    """The class whose members an object of the type `text` has; "" where it is not one class."""
    parts = [one for one in _ALTERNATIVE.split(text.strip(" :\"'")) if one not in NOTHING]
    if len(parts) != 1:
        return ""
    rest = parts[0]
    while (before := _BEFORE.match(rest)) is not None:
        rest = rest[before.end() :]
    found = _NAME.match(rest)
    return found[1] if found else ""
