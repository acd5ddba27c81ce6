"""Quality against speed: token by token, verified, balanced and pure diffusion, all in one run.

    python bench/diffusion_vs_ar.py --limit 100 --plot docs/pareto.png
    python bench/diffusion_vs_ar.py --set multi --limit 40 --modes ar verified balanced-0.3

Every task is decoded in every mode, one after the other in an order that changes from task to task,
as a cold request. `ar`, `verified` and `balanced` run on the network without a diffusion adapter;
the `-masks` modes and `draft` on one that has it, because the adapter makes every pass dearer. With
`llama-server` on the PATH and `--gguf FILE` the same prompts also go to llama.cpp's server, which
runs the file's own weights. One JSON line at the end.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from candidates import Candidates
from decode_modes import MODES, Modes, Run
from figures import share, summary
from infilling_tasks import DEFAULT_DATA, is_exact, load_tasks, program, spread
from loading import add_model_options
from pareto import Point, draw
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from infilling_tasks import Task

_DEFAULT_MODES = tuple(MODES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; the exit code."""
    args = _parser().parse_args(arguments)
    try:
        tasks = spread(load_tasks(args.data, args.set), args.limit)
    except FileNotFoundError as error:
        print(f"diffusion_vs_ar: {error}", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        modes = stack.enter_context(Modes(args, args.modes))
        runs = list(_runs(args, modes, tasks, stack))
    figures = {name: _figures(runs, name) for name in modes.names}
    print(json.dumps({"bench": "diffusion-vs-ar", "set": args.set, "tasks": len(tasks), **figures}))
    if args.plot:
        draw([_point(name, figures[name]) for name in modes.names], args.plot)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="holds the benchmark")
    parser.add_argument("--set", choices=("single", "multi"), default="single")
    parser.add_argument("--limit", type=int, help="so many tasks, evenly spread")
    add_model_options(parser)
    parser.set_defaults(adapter="auto")
    parser.add_argument("--modes", nargs="+", choices=tuple(MODES), default=_DEFAULT_MODES)
    parser.add_argument("--gguf", type=Path, help="for llama.cpp's server, if it is on the PATH")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the modes")
    parser.add_argument("--out", type=Path, help="one JSON line for each task and mode")
    parser.add_argument("--plot", type=Path, help="write the picture there")
    return parser


def _runs(
    args: argparse.Namespace, modes: Modes, tasks: Sequence[Task], stack: ExitStack
) -> Iterator[dict[str, Run]]:
    """Answers of every mode, task by task; no program runs while something is timed."""
    candidates = Candidates()
    stack.callback(candidates.close)
    out = stack.enter_context(args.out.open("w", encoding="utf-8")) if args.out else None
    order = random.Random(args.seed)
    for number, task in enumerate(tqdm(tasks, desc=args.set)):
        names = list(modes.names)
        order.shuffle(names)
        answers = {name: modes.run(name, task, args.set, number) for name in names}
        judged = {name: candidates.submit(program(task, run.text)) for name, run in answers.items()}
        for name, run in answers.items():
            run.exact, run.passed = is_exact(task, run.text), judged[name].result()
            if out:
                line = {"task_id": task.task_id, "mode": name, **run.record()}
                print(json.dumps(line), file=out, flush=True)
        yield answers


def _figures(runs: Sequence[dict[str, Run]], name: str) -> dict[str, object]:
    mine = [answers[name] for answers in runs]
    tokens, passes = sum(run.tokens for run in mine), sum(run.passes for run in mine)
    reference = [answers["ar"] for answers in runs] if "ar" in runs[0] else mine
    total, first = (sum(run.total_ms for run in side) for side in (mine, reference))
    decode, theirs = (sum(run.decode_ms for run in side) for side in (mine, reference))
    return {
        "exact": share(sum(run.exact for run in mine), len(mine)),
        "pass_at_1": share(sum(run.passed for run in mine), len(mine)),
        "as_ar": sum(a.text == b.text for a, b in zip(mine, reference, strict=True)),
        "tokens_per_pass": round(tokens / passes, 3) if passes else None,
        "passes_per_token": round(passes / tokens, 3) if passes else None,
        "decode_ms": summary([run.decode_ms for run in mine]),
        "total_ms": summary([run.total_ms for run in mine]),
        "ar_over_this_total": round(first / total, 3),
        "ar_over_this_decode": round(theirs / decode, 3) if decode else None,
    }


def _point(name: str, figures: dict[str, object]) -> Point:
    total = figures["total_ms"]
    assert isinstance(total, dict)
    return Point(name, float(total["mean"]), 100 * float(str(figures["pass_at_1"])))


if __name__ == "__main__":
    sys.exit(main())
