"""Edits that the engine proposed on held-out regions, seen as the Language Server would see them.

`rewriting.py --jsonl` writes a line for each region with its texts. The features are computed here
by the server's own code, so that what is fitted is what is used. Where the newest change was is
looked for in the text around the region; in the same file but not there, it is far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from midspan_engine.protocol import Edited
from midspan_server import syntax
from midspan_server.next_edit.hunks import Hunk
from midspan_server.next_edit.judging import Features, features
from midspan_server.next_edit.regions import Candidate
from midspan_server.next_edit.rewritten import proposals
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAR_LINES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """An edit that would be proposed, and whether it is what the author wrote."""

    features: Features
    taken: bool
    is_changed: bool
    """Whether anything was to change in the region."""


def observed(path: Path, like: float) -> list[Observed]:
    """The edits of a file; what comes at least that near to the author's (chrF) counts as his.

    Raises:
        ValueError: there is no edit in the file.
    """
    found = list(_observed(path, like))
    if not found:
        raise ValueError(f"{path} has no edits: it is written by rewriting.py --jsonl")
    return found


def _observed(path: Path, like: float) -> Iterator[Observed]:
    for number, line in enumerate(path.read_bytes().splitlines()):
        # A score that does not exist is written as NaN, which is no JSON.
        entry: dict[str, Any] = msgspec.json.decode(line.replace(b": NaN", b": null"))
        if entry["finish"] != "edit":
            continue
        seen = _features(entry, f"file:///held-out/{number}")
        if seen is not None:
            is_like = entry["is_changed"] and (entry["chrf"] or 0.0) >= like
            taken = entry["exact"] or is_like
            yield Observed(features=seen, taken=taken, is_changed=entry["is_changed"])


def _features(entry: dict[str, Any], uri: str) -> Features | None:
    """None where nothing but blanks changes, which is never shown."""
    text = entry["before"] + entry["region"] + entry["after"]
    document = DocumentSnapshot(uri, Path(entry["path"]), 1, entry["language"], text)
    start = document.line_of(len(entry["before"]))
    end = document.line_of(len(entry["before"]) + len(entry["region"]))
    region = Candidate(uri=uri, version=1, start_line=start, end_line=end, reason="near", score=1.0)
    edited = Edited(
        id=1,
        document_version=1,
        finish="edit",
        text=entry["text"],
        edit_probability=entry["edit_probability"],
        mean_logprob=entry["mean_logprob"],
        lowest_logprob=entry["lowest_logprob"],
    )
    parts = proposals(document, region, entry["text"])
    seen = features(edited, parts, [_newest(entry, document, start)]) if parts else None
    syntax.forget(uri)
    return seen


def _newest(entry: dict[str, Any], document: DocumentSnapshot, region_line: int) -> Hunk:
    """The last change before the edit, where it can be found."""
    path, diff = entry["history"][-1]
    lines = diff.splitlines()
    after = tuple(line[1:] for line in lines if line[:1] in {"+", " "})
    at = document.text.find("\n".join(after)) if after else -1
    line = document.line_of(at) if at >= 0 else region_line + _FAR_LINES
    return Hunk(
        uri=document.uri if path == entry["path"] else path,
        path=None,
        line=line,
        before=tuple(one[1:] for one in lines if one[:1] in {"-", " "}),
        after=after,
        at=0.0,
        is_formatting=False,
        is_saved=True,
    )
