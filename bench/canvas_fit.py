"""Fits what a canvas model needs beside its weights, on held-out packages.

    python bench/canvas_fit.py --run train/scratch --write engine/midspan_engine/nano

Written to `decoding.json`: the calibration of its confidence (logistic regression to an exact
match), and how confident untouched spans of each length usually are, which the length cascade
compares with. Prints what the confidence is worth. One JSON line at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from calibration import auc, logistic
from canvas_run import CanvasBench
from gaps import Gap, draw_gaps, read_held_out
from tqdm import tqdm

from midspan_engine.canvas.context import build_context
from midspan_engine.canvas.fitted import Fitted, write_fitted
from midspan_engine.canvas.length import first_look
from midspan_engine.decoding.confidence import Calibration
from midspan_engine.protocol import InfillRequest
from midspan_engine.runtime.canvas_rows import CanvasPass, ContextCache

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOKS = 100
"""Gaps on which untouched spans of every length are looked at."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and write; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=Path("train/scratch"))
    parser.add_argument("--write", type=Path, required=True, help="folder of the model")
    parser.add_argument("--limit", type=int, default=400, help="gaps")
    args = parser.parse_args(arguments)
    bench = CanvasBench(str(args.write))
    stream = read_held_out(args.run)
    gaps = draw_gaps(stream, bench.tokenizer, args.limit, np.random.default_rng(7))
    usual = {
        length: round(usual_look(bench, gaps[:_LOOKS], length), 4)
        for length in bench.config.lengths
    }
    calibration, figures = fit(bench, gaps)
    write_fitted(args.write, Fitted(calibration=calibration, usual=usual, masks=bench.fitted.masks))
    print(json.dumps({"bench": "canvas-fit", "gaps": len(gaps), **figures}))
    return 0


def usual_look(bench: CanvasBench, gaps: Sequence[Gap], length: int) -> float:
    """Mean confidence of untouched spans of one length over gaps of any."""
    assert bench.family.marks is not None
    never = sorted(bench.tokenizer.marks)
    span = np.full(length, bench.family.marks.mask, np.int32)
    looks = []
    for gap in gaps:
        request = InfillRequest(id=0, session="fit", prefix=gap.prefix, suffix=gap.suffix)
        around = build_context(request, bench.tokenizer, bench.family, bench.config)
        one = CanvasPass(
            context=ContextCache(prefix=around.prefix, suffix=around.suffix),
            slots=(span,),
            wanted=(np.arange(length, dtype=np.int32),),
            refresh=True,
        )
        looks.append(first_look(bench.runtime.forward([one])[0].logits[0], never))
    return float(np.mean(looks))


def fit(bench: CanvasBench, gaps: Sequence[Gap]) -> tuple[Calibration, dict[str, float]]:
    """Logistic regression from what decoding knows to an exact match."""
    rows, right = [], []
    for number, gap in enumerate(tqdm(gaps, desc="gaps")):
        request = InfillRequest(
            id=number, session="fit", prefix=gap.prefix, suffix=gap.suffix, max_tokens=48
        )
        filled = bench.run(request, bench.config)
        tokens = math.log1p(min(len(filled.tokens), 16))
        rows.append((filled.mean_logprob, filled.lowest_logprob, tokens))
        right.append(filled.text.rstrip() == gap.middle.rstrip())
    columns, labels = np.array(rows), np.array(right, np.float64)
    figures = {"exact": round(100 * float(labels.mean()), 2)}
    if labels.min() == labels.max():
        raise SystemExit("canvas_fit: all gaps alike: this model is not worth a fit yet")
    weights, bias = logistic(columns, labels)
    figures["auc"] = round(auc(columns @ weights + bias, labels), 3)
    mean, lowest, tokens = (round(float(value), 3) for value in weights)
    return (
        Calibration(
            bias=round(bias, 3),
            mean_logprob=mean,
            lowest_logprob=lowest,
            suffix_logprob=0.0,
            tokens=tokens,
        ),
        figures,
    )


if __name__ == "__main__":
    sys.exit(main())
