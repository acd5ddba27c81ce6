"""Canvas decoding: what caching, length and checks do to quality and cost, all in one run.

    python bench/canvas.py                       # midspan-nano on the even single-line tasks
    python bench/canvas.py --limit 60 --model FOLDER
    python bench/canvas.py --ways cached exact   # those two only
    python bench/canvas.py --context 512         # how long passes beside 512 tokens take, no tasks

Ways: `cached` keeps keys and values of most of the context between passes, `exact` computes them
in each; both also run with code of other tasks around the task's own, up to 512 tokens of context.
`agreement` is the share of tokens on which the two agree, `rows_over_rows` how many times fewer
rows the cached one computes: a pass on average, those that compute the context counted, and a
whole decode, which may take more passes;
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
from canvas_context import PREFIX_TOKENS, SUFFIX_TOKENS, among_others
from canvas_run import CanvasBench, Filled
from infilling_tasks import DEFAULT_DATA, Task, is_exact, load_tasks, request_for, spread
from tqdm import tqdm

from midspan_engine.runtime.canvas_rows import CanvasPass, ContextCache
from midspan_engine.weights.embedded import EMBEDDED_MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.canvas.settings import CanvasConfig

_FIXED = (4, 8, 16, 32)
WAYS = (
    *("cached", "exact"),
    *(f"fixed-{masks}" for masks in _FIXED),
    *("oracle", "cascade", "syntax", "revised"),
)


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
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
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
        found = run(bench, tasks, args.set, args.ways)
        line |= {"set": args.set, "tasks": len(tasks), **report(found)}
        if {"cached", "exact"} <= found.keys():
            line["long_context"] = long_context(bench, tasks, args.set)
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
    passes = {
        refresh: CanvasPass(
            context=context,
            slots=(span,),
            wanted=(rows,),
            refresh=refresh,
            near=0 if refresh else bench.config.near_tokens,
        )
        for refresh in (True, False)
    }
    spent: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for refresh, one in passes.items():
            began = time.perf_counter()
            bench.runtime.forward([one])
            spent[refresh].append((time.perf_counter() - began) * 1e3)
    exact, cached = (float(np.median(spent[refresh])) for refresh in (True, False))
    return {
        "context_tokens": tokens,
        "exact_ms": round(exact, 2),
        "cached_ms": round(cached, 2),
        "exact_over_cached": round(exact / cached, 2),
        "rows_over_rows": round(passes[True].rows / passes[False].rows, 1),
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


def run(
    bench: CanvasBench, tasks: Sequence[Task], which: str, ways: Sequence[str] = WAYS
) -> dict[str, list[Outcome]]:
    """Every task every way."""
    found: dict[str, list[Outcome]] = {}
    for number, task in enumerate(tqdm(tasks, desc="canvas")):
        request = request_for(task, which, number=number, effort="verified")  # type: ignore[arg-type]
        known = ways_of(bench, task)
        for name in ways:
            filled = bench.run(request, known[name])
            outcome = Outcome(exact=is_exact(task, filled.text), filled=filled)
            found.setdefault(name, []).append(outcome)
    return found


def long_context(bench: CanvasBench, tasks: Sequence[Task], which: str) -> dict[str, float]:
    """Cached against exact decoding where the context is as long as it may be."""
    usual = bench.config
    bench.config = replace(usual, prefix_tokens=PREFIX_TOKENS, suffix_tokens=SUFFIX_TOKENS)
    try:
        found = run(bench, among_others(tasks), which, ("cached", "exact"))
    finally:
        bench.config = usual
    return {"tokens": PREFIX_TOKENS + SUFFIX_TOKENS, **compared(found["cached"], found["exact"])}


def report(found: dict[str, list[Outcome]]) -> dict[str, object]:
    """Means by way, how cached decoding compares with exact, and what the cascade closes."""
    said: dict[str, object] = {"ways": {name: _means(found[name]) for name in found}}
    if {"cached", "exact"} <= found.keys():
        said |= compared(found["cached"], found["exact"])
    fixed = [_means(found[name]) for name in found if name.startswith("fixed-")]
    if fixed and {"oracle", "cascade"} <= found.keys():
        cascade, oracle = _means(found["cascade"]), _means(found["oracle"])
        usual = float(np.mean([one["exact"] for one in fixed]))
        passes = float(np.mean([one["passes"] for one in fixed]))
        gap = oracle["exact"] - usual
        closed = (cascade["exact"] - usual) / gap if gap > 0 else math.nan
        said["cascade_closes"] = round(closed, 3)
        said["cascade_passes_over_fixed"] = round(cascade["passes"] / passes, 2)
    return said


def compared(cached: Sequence[Outcome], exact: Sequence[Outcome]) -> dict[str, float]:
    """Agreement, and how many times fewer rows the cached way computes."""
    rows, passes = (
        [sum(getattr(one.filled, name) for one in way) for way in (cached, exact)]
        for name in ("rows", "passes")
    )
    decode = rows[1] / rows[0]
    return {
        "agreement": round(agreement(cached, exact), 4),
        "rows_per_pass_cached": round(rows[0] / passes[0], 1),
        "rows_per_pass_exact": round(rows[1] / passes[1], 1),
        "rows_over_rows_a_pass": round(decode * passes[0] / passes[1], 2),
        "rows_over_rows_a_decode": round(decode, 2),
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
