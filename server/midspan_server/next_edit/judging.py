"""Whether a rewritten region is worth showing: the probability that a person takes it.

A logistic model over what the engine says of its answer and what the text says of the edit. The
coefficients stand in `acceptance.py`; `bench/next_edit_fit.py` fits them.
"""

from __future__ import annotations

import math
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import msgspec

from midspan_server import syntax
from midspan_server.next_edit.acceptance import BIAS, WEIGHTS
from midspan_server.next_edit.removal import removed_lines
from midspan_server.next_edit.rewritten import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.protocol import Edited
    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.next_edit.proposal import Proposal

_SMALLEST = 1e-4
_LOWEST_LOGPROB = -10.0
# Two lines alike are common in code; a run of them is a model that copies.
_FEWEST_COPIED = 3
_COPIED_FROM = 60


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What the probability depends on; also a line of the file that the fit reads.

    Attributes:
        edit_probability: See `Edited`.
        mean_logprob: Likewise.
        lowest_logprob: Likewise.
        changed_chars: Characters that go and come.
        changed_lines: The larger of the lines that go and those that come.
        removed_lines: Lines that go without one that comes, but for those that follow from what the
            person took away; an answer that ends early has many.
        copied_share: Of the lines that come, those that repeat a run of lines of the file.
        breaks_syntax: Whether the file has more syntax errors with the edit than without.
        lines_away: Between the newest hunk and the edit; 0 in another file.
        is_elsewhere: Whether it is in another file than the newest hunk.
    """

    edit_probability: float
    mean_logprob: float
    lowest_logprob: float
    changed_chars: int
    changed_lines: int
    removed_lines: int = 0
    copied_share: float = 0.0
    breaks_syntax: bool = False
    lines_away: int = 0
    is_elsewhere: bool = False


def features(edited: Edited, parts: Sequence[Proposal], recent: Sequence[Hunk]) -> Features:
    """Look at an answer; `parts` are the whole of it, in order, `recent` has the newest last."""
    newest = recent[-1]
    is_elsewhere = parts[0].snapshot.uri != newest.uri
    olds = [part.snapshot.text[part.start : part.end] for part in parts]
    texts = [part.text for part in parts]
    return Features(
        edit_probability=edited.edit_probability,
        mean_logprob=edited.mean_logprob,
        lowest_logprob=edited.lowest_logprob,
        changed_chars=sum(map(len, olds)) + sum(map(len, texts)),
        changed_lines=sum(
            max(old.count("\n"), new.count("\n")) + 1 for old, new in zip(olds, texts, strict=True)
        ),
        removed_lines=sum(removed_lines(part, recent) for part in parts),
        copied_share=max(map(_copied_share, parts)),
        breaks_syntax=breaks_syntax(joined(parts)),
        lines_away=0 if is_elsewhere else min(_between(part, newest) for part in parts),
        is_elsewhere=is_elsewhere,
    )


def vector(seen: Features) -> dict[str, float]:
    """The inputs of the logistic model by name."""
    sure = min(max(seen.edit_probability, _SMALLEST), 1 - _SMALLEST)
    return {
        "edit_logit": math.log(sure / (1 - sure)),
        "mean_logprob": max(seen.mean_logprob, _LOWEST_LOGPROB),
        "lowest_logprob": max(seen.lowest_logprob, _LOWEST_LOGPROB),
        "log_chars": math.log1p(seen.changed_chars),
        "log_lines": math.log(seen.changed_lines),
        "log_removed": math.log1p(seen.removed_lines),
        "copied_share": seen.copied_share,
        "breaks_syntax": float(seen.breaks_syntax),
        "log_away": math.log1p(seen.lines_away),
        "is_elsewhere": float(seen.is_elsewhere),
    }


def probability(seen: Features) -> float:
    """Of being taken, 0..1."""
    values = vector(seen)
    return 1 / (1 + math.exp(-BIAS - sum(WEIGHTS[name] * value for name, value in values.items())))


def breaks_syntax(proposal: Proposal) -> bool:
    """Whether the edit adds a syntax error; False without a grammar."""
    tree = syntax.parse(proposal.snapshot)
    if tree is None:
        return False
    damage = tree.replaced(proposal.start, proposal.end, proposal.text).damage()
    return not damage.is_within(tree.damage(), proposal.text)


def _copied_share(part: Proposal) -> float:
    """Of the lines of a longer text, the longest run that stands in the file just so."""
    lines = [line.strip() for line in part.text.split("\n")]
    if sum(map(bool, lines)) < _FEWEST_COPIED:
        return 0.0
    known = [line.strip() for line in part.snapshot.text.split("\n")]
    first = part.line
    near = known[max(0, first - _COPIED_FROM) : first + _COPIED_FROM]
    match = SequenceMatcher(None, lines, near, autojunk=False).find_longest_match()
    return match.size / len(lines) if match.size >= _FEWEST_COPIED else 0.0


def _between(proposal: Proposal, newest: Hunk) -> int:
    first, last = proposal.line, proposal.snapshot.line_of(proposal.end)
    return max(0, first - newest.last_line, newest.line - last)
