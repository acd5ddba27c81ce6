"""`ReadingRules`: the ignore rules with a short memory, since they are asked for each keystroke."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from midspan_server.secret_names import is_secret_uri

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_server.ignore import IgnoreRules

# The rules look at the disk; a changed .gitignore is obeyed this much later.
_REMEMBERED_S = 2.0
_MOST_PATHS = 500


class ReadingRules:
    """Whether a file may be read into a context."""

    def __init__(self, rules: IgnoreRules) -> None:
        self._rules = rules
        self._verdicts: dict[Path, tuple[bool, float]] = {}

    def use(self, rules: IgnoreRules) -> None:
        """Take new rules, as when folders or settings change."""
        self._rules = rules
        self._verdicts.clear()

    def allows(self, path: Path | None, uri: str) -> bool:
        """Return whether a document may be read.

        One that is no file here (`path` None: unsaved, on another machine, an old version) may,
        unless the name in its `uri` is that of a secret.
        """
        if path is None:
            return not is_secret_uri(uri)
        now = time.monotonic()
        known = self._verdicts.get(path)
        if known is not None and now - known[1] < _REMEMBERED_S:
            return known[0]
        if len(self._verdicts) >= _MOST_PATHS:
            self._verdicts.clear()
        verdict = not self._rules.forbids(path)
        self._verdicts[path] = (verdict, now)
        return verdict
