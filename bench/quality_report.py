"""From pairs of decodings to the figures of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from figures import share, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quality_run import Answer, Pair


def report(pairs: Sequence[Pair]) -> dict[str, object]:
    """Figures of a run; `differ` names the tasks where the texts are not the same."""
    differ = [pair.task_id for pair in pairs if pair.ar.text != pair.ours.text]
    count = len(pairs)
    ours = [pair.ours for pair in pairs]
    ar = [pair.ar for pair in pairs]
    return {
        "tasks": count,
        "exact": share(sum(pair.exact for pair in pairs), count),
        "pass_at_1": share(sum(pair.passed for pair in pairs), count),
        "ar_exact": share(sum(pair.ar_exact for pair in pairs), count),
        "ar_pass_at_1": share(sum(pair.ar_passed for pair in pairs), count),
        "identical": count - len(differ),
        "differ": differ,
        "ours": _costs(ours),
        "ar": _costs(ar),
        "ar_over_ours_total": _ratio(ar, ours, "total_ms"),
        "ar_over_ours_decode": _ratio(ar, ours, "decode_ms"),
        "slower_than_ar": sum(a.decode_ms < b.decode_ms for a, b in zip(ar, ours, strict=True)),
    }


def _costs(answers: Sequence[Answer]) -> dict[str, object]:
    tokens = sum(answer.tokens for answer in answers)
    passes = sum(answer.passes for answer in answers)
    # A probed suffix is a pass that decodes nothing.
    decoding = passes - sum(answer.suffix_logprob != 0 for answer in answers)
    drafted = sum(answer.drafted for answer in answers)
    accepted = sum(answer.accepted for answer in answers)
    return {
        "tokens_mean": round(tokens / len(answers), 2),
        "passes_mean": round(passes / len(answers), 2),
        "decode_passes_mean": round(decoding / len(answers), 2),
        "tokens_per_pass": round(tokens / decoding, 3),
        "tokens_per_pass_with_probe": round(tokens / passes, 3),
        "drafted": drafted,
        "accepted": accepted,
        "accepted_share": share(accepted, drafted),
        "total_ms": summary([answer.total_ms for answer in answers]),
        "decode_ms": summary([answer.decode_ms for answer in answers]),
        "finish": _finishes(answers),
    }


def _finishes(answers: Sequence[Answer]) -> dict[str, int]:
    kinds = sorted({answer.finish for answer in answers})
    return {kind: sum(answer.finish == kind for answer in answers) for kind in kinds}


def _ratio(ar: Sequence[Answer], ours: Sequence[Answer], what: str) -> float:
    """Geometric mean over tasks, so that a task that was disturbed counts once, not by its time."""
    logs = [math.log(getattr(a, what) / getattr(b, what)) for a, b in zip(ar, ours, strict=True)]
    return round(math.exp(sum(logs) / len(logs)), 3)
