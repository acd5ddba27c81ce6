"""Canvas decoding: what caching, length and checks do to quality and cost, all in one run.

    python bench/canvas.py                       # midspan-nano on the even single-line tasks
    python bench/canvas.py --limit 60 --model FOLDER
    python bench/canvas.py --context 512         # cost of a pass beside 512 tokens of context only

Ways: `cached` keeps keys and values of the context between passes, `exact` computes them in each;
`fixed-N` fills N masks, `oracle` as many as the true text has tokens, `cascade` tries several;
`syntax` masks again what the grammar does not accept, `revised` what was least certain. Figures are
means over the tasks. One JSON line at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from canvas_run import CanvasBench, Filled
from infilling_tasks import DEFAULT_DATA, Task, is_exact, load_tasks, request_for, spread
from tqdm import tqdm

from midspan_engine.runtime.canvas_rows import CanvasPass, ContextCache
from midspan_engine.weights.embedded import EMBEDDED_MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.canvas.settings import CanvasConfig

_FIXED = (4, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One task, one way."""

    exact: bool
    filled: Filled


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="holds the benchmark")
    parser.add_argument("--set", choices=("single", "multi"), default="single")
    parser.add_argument("--limit", type=int, help="so many tasks, evenly spread")
    parser.add_argument("--model", default=EMBEDDED_MODEL)
    parser.add_argument(
        "--runtime", choices=("auto", "openvino", "openvino-fp32", "torch"), default="auto"
    )
    parser.add_argument("--context", type=int, help="only the cost of passes beside so many tokens")
    args = parser.parse_args(arguments)
    bench = CanvasBench(args.model, args.runtime)
    line: dict[str, object] = {
        "bench": "canvas",
        "model": args.model,
        "runtime": bench.runtime.name,
        "pass": pass_cost(bench, args.context or 512),
    }
    if args.context is None:
        try:
            tasks = spread(load_tasks(args.data, args.set), args.limit)
        except FileNotFoundError as error:
            print(f"canvas: {error}", file=sys.stderr)
            return 2
        line |= {"set": args.set, "tasks": len(tasks), **report(run(bench, tasks, args.set))}
    print(json.dumps(line))
    return 0


def pass_cost(
    bench: CanvasBench, tokens: int, masks: int = 16, rounds: int = 30
) -> dict[str, float]:
    """Milliseconds of a pass that computes the context, and of one that has it cached."""
    rng = np.random.default_rng(0)
    ids = rng.integers(100, bench.tokenizer.vocab_size, tokens).astype(np.int32)
    cut = tokens * 2 // 3
    context = ContextCache(prefix=ids[:cut], suffix=ids[cut:])
    assert bench.family.marks is not None
    span = np.full(masks, bench.family.marks.mask, np.int32)
    rows = np.arange(masks, dtype=np.int32)
    spent: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for refresh in (True, False):
            one = CanvasPass(context=context, slots=(span,), wanted=(rows,), refresh=refresh)
            began = time.perf_counter()
            bench.runtime.forward([one])
            spent[refresh].append((time.perf_counter() - began) * 1e3)
    exact, cached = (float(np.median(spent[refresh])) for refresh in (True, False))
    return {
        "context_tokens": tokens,
        "exact_ms": round(exact, 2),
        "cached_ms": round(cached, 2),
        "exact_over_cached": round(exact / cached, 2),
        "rows_over_rows": round((tokens + masks) / masks, 1),
    }


def ways_of(bench: CanvasBench, task: Task) -> dict[str, CanvasConfig]:
    """The configurations of one task; `oracle` knows how long the true text is."""
    base = bench.config
    true = len(bench.tokenizer.encode(task.canonical_solution.rstrip("\n")))
    return {
        "cached": base,
        "exact": replace(base, refresh_every=1),
        **{f"fixed-{masks}": bench.fixed(masks) for masks in _FIXED},
        "oracle": bench.fixed(true),
        "cascade": replace(base, length="cascade"),
        "syntax": replace(base, syntax=True),
        "revised": replace(base, revisions=4, revise_below=math.log(0.5)),
    }


def run(bench: CanvasBench, tasks: Sequence[Task], which: str) -> dict[str, list[Outcome]]:
    """Every task every way."""
    found: dict[str, list[Outcome]] = {}
    for number, task in enumerate(tqdm(tasks, desc="canvas")):
        request = request_for(task, which, number=number, effort="verified")  # type: ignore[arg-type]
        for name, config in ways_of(bench, task).items():
            filled = bench.run(request, config)
            outcome = Outcome(exact=is_exact(task, filled.text), filled=filled)
            found.setdefault(name, []).append(outcome)
    return found


def report(found: dict[str, list[Outcome]]) -> dict[str, object]:
    """Means by way, agreement of cached with exact decoding, and what the cascade closes."""
    ways = {name: _means(outcomes) for name, outcomes in found.items()}
    fixed = float(np.mean([ways[f"fixed-{masks}"]["exact"] for masks in _FIXED]))
    passes = float(np.mean([ways[f"fixed-{masks}"]["passes"] for masks in _FIXED]))
    gap = ways["oracle"]["exact"] - fixed
    closed = (ways["cascade"]["exact"] - fixed) / gap if gap > 0 else math.nan
    return {
        "ways": ways,
        "agreement": round(agreement(found["cached"], found["exact"]), 4),
        "cascade_closes": round(closed, 3),
        "cascade_passes_over_fixed": round(ways["cascade"]["passes"] / passes, 2),
    }


def agreement(cached: Sequence[Outcome], exact: Sequence[Outcome]) -> float:
    """Share of tokens, place by place, that are the same."""
    same = whole = 0
    for one, other in zip(cached, exact, strict=True):
        pairs = zip(one.filled.tokens, other.filled.tokens, strict=False)
        same += sum(a == b for a, b in pairs)
        whole += max(len(one.filled.tokens), len(other.filled.tokens))
    return same / whole if whole else 1.0


def _means(outcomes: Sequence[Outcome]) -> dict[str, float]:
    filled = [outcome.filled for outcome in outcomes]
    tokens = sum(len(one.tokens) for one in filled)
    passes = sum(one.passes for one in filled)
    return {
        "exact": round(100 * float(np.mean([outcome.exact for outcome in outcomes])), 2),
        "passes": round(passes / len(filled), 2),
        "tokens_per_pass": round(tokens / passes, 2),
        "rows_per_pass": round(sum(one.rows for one in filled) / passes, 1),
        "ms": round(float(np.mean([one.ms for one in filled])), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
