"""Quality on HumanEval infilling: Midspan beside plain greedy decoding of the same weights.

    python bench/quality.py --set single --out single.jsonl      # all tasks, both ways
    python bench/quality.py --fit single.jsonl                   # confidence from what was recorded
    python bench/quality.py --compare-runtimes openvino openvino-fp32 torch --limit 100

Exact match leaves white space at the end of both sides out. pass@1 runs each answer with the task's
own test. Every task is a cold request: a session of its own, nothing cached. One JSON line at the
end.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from calibration import Fit, Target, fit, read_samples
from candidates import Candidates
from figures import share
from infilling_tasks import DEFAULT_DATA, Task, is_exact, load_tasks, program, spread
from loading import RUNTIMES, add_model_options, load
from quality_report import report
from quality_run import AR, Decoder, Pair
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    args = _parser().parse_args(arguments)
    if args.fit:
        return _fit(args.fit, args.target, args.seed)
    try:
        tasks = spread(load_tasks(args.data, args.set), args.limit)
    except FileNotFoundError as error:
        print(f"quality: {error}", file=sys.stderr)
        return 2
    if args.compare_runtimes:
        return _compare(args, tasks)
    decoder = Decoder(*load(args), probe_suffix=args.probe_suffix, hole=args.hole)
    pairs = list(_run_pairs(args, decoder, tasks))
    settings = {
        "set": args.set,
        "hole": args.hole,
        "effort": args.effort,
        "runtime": decoder.runtime_name,
    }
    print(json.dumps({"bench": "quality", **settings, **report(pairs)}))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="holds the benchmark")
    parser.add_argument("--set", choices=("single", "multi", "span"), default="single")
    parser.add_argument(
        "--hole",
        choices=("editor", "benchmark"),
        default="editor",
        help="whether the line break after the hole is in the suffix or in the hole",
    )
    parser.add_argument("--limit", type=int, help="so many tasks, evenly spread")
    add_model_options(parser)
    parser.add_argument("--effort", choices=("verified", "balanced", "draft"), default="verified")
    parser.add_argument("--seed", type=int, default=0, help="which side goes first, and the folds")
    parser.add_argument("--probe-suffix", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--out", type=Path, help="one JSON line a task")
    parser.add_argument("--fit", type=Path, nargs="+", metavar="FILE", help="fit; run nothing")
    parser.add_argument("--target", choices=("passed", "exact"), default="passed")
    parser.add_argument("--compare-runtimes", nargs="+", choices=RUNTIMES[1:], metavar="NAME")
    return parser


def _run_pairs(args: argparse.Namespace, decoder: Decoder, tasks: Sequence[Task]) -> Iterator[Pair]:
    """Decode and judge task after task; each is recorded at once, and no program runs meanwhile."""
    candidates = Candidates()
    with ExitStack() as stack:
        stack.callback(candidates.close)
        out = stack.enter_context(args.out.open("w", encoding="utf-8")) if args.out else None
        for number, task in enumerate(tqdm(tasks, desc=f"{args.set}, {args.effort}")):
            order = (AR, args.effort) if (number + args.seed) % 2 else (args.effort, AR)
            answers = {how: decoder.run(task, args.set, how, number) for how in order}
            ar, ours = answers[AR], answers[args.effort]
            runs = [candidates.submit(program(task, answer.text)) for answer in (ar, ours)]
            ar_passed, passed = (run.result() for run in runs)
            pair = Pair.of(task, ar, ours, ar_passed=ar_passed, passed=passed)
            if out:
                print(json.dumps(pair.record()), file=out, flush=True)
            yield pair


def _fit(paths: Sequence[Path], target: Target, seed: int) -> int:
    samples = read_samples(paths)
    fitted = {name: fit(samples, name, seed) for name in ("passed", "exact")}
    chosen = fitted[target]
    print(f"# fitted on {len(samples)} answers, target {target}\nDEFAULT = Calibration(")
    for name, value in asdict(chosen.calibration).items():
        print(f"    {name}={value},")
    print(")\n\nthreshold  shown  precision  recall   (10 folds by function)")
    for row in chosen.thresholds:
        print(f"{row.threshold:9.2f} {row.shown:6.3f} {row.precision:10.3f} {row.recall:7.3f}")
    line: dict[str, object] = {"bench": "calibration", "samples": len(samples), "target": target}
    print(json.dumps(line | {name: _fit_figures(of) for name, of in fitted.items()}))
    return 0


def _fit_figures(of: Fit) -> dict[str, object]:
    figures = {name: value for name, value in asdict(of).items() if name != "thresholds"}
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}


def _compare(args: argparse.Namespace, tasks: Sequence[Task]) -> int:
    """Run the same tasks on each runtime; agreement is with the first one."""
    texts: dict[str, list[str]] = {}
    for name in args.compare_runtimes:
        decoder = Decoder(*load(args, name), probe_suffix=False, hole=args.hole)
        texts[name] = [
            decoder.run(task, args.set, args.effort, number).text
            for number, task in enumerate(tqdm(tasks, desc=name))
        ]
        del decoder
        gc.collect()
    first = texts[args.compare_runtimes[0]]
    figures = {name: _compared(tasks, got, first) for name, got in texts.items()}
    print(json.dumps({"bench": "runtimes-agree", "set": args.set, "tasks": len(tasks), **figures}))
    return 0


def _compared(tasks: Sequence[Task], got: list[str], first: list[str]) -> dict[str, object]:
    exact = sum(is_exact(task, text) for task, text in zip(tasks, got, strict=True))
    same = sum(a == b for a, b in zip(got, first, strict=True))
    return {"exact": exact, "exact_share": share(exact, len(tasks)), "as_first": same}


if __name__ == "__main__":
    sys.exit(main())
