"""Next edits on regions of held-out packages: right or not, quiet or not, and at what cost.

    python bench/rewriting.py --data train/edit-data               # beside plain autoregressive
    python bench/rewriting.py --edits none --infill none           # the base, by the prompt alone
    python bench/rewriting.py --jsonl edits.jsonl --no-ar          # raw scores for the calibration

Half of the default selection are regions that are to change, half are not. Every region is given
with the history before it, in a session of its own. The two ways to decode take turns in coming
first; the first one encodes the context, so times are compared behind that. One JSON line at the
end.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edit_samples import Choice, choose, load_samples
from loading import add_model_options, load
from rewriting_report import report
from rewriting_run import Rewriter
from tqdm import tqdm

from midspan_engine.decoding.edit_prompt import EditWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rewriting_run import Outcome, Way

    from midspan_engine.training.edits.samples import EditSample

DEFAULT_DATA = Path("train/edit-data")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    args = _parser().parse_args(arguments)
    try:
        corpus = load_samples(args.data)
    except FileNotFoundError as error:
        print(f"rewriting: {error}", file=sys.stderr)
        return 2
    rewriter = Rewriter(*load(args, for_edits=True), effort=args.effort, edit_from=args.edit_from)
    choice = Choice(
        changed=args.changed,
        unchanged=args.unchanged,
        seed=args.seed,
        longest=EditWindow().region,
    )
    samples = choose(corpus, choice, rewriter.tokenizer)
    outcomes = list(_outcomes(args, rewriter, samples))
    settings = {
        "seed": args.seed,
        "effort": args.effort,
        "edit_from": args.edit_from,
        "edits": args.edits,
        "runtime": rewriter.runtime_name,
    }
    print(json.dumps({"bench": "rewriting", **settings, **report(outcomes)}))
    return 0


def _outcomes(
    args: argparse.Namespace, rewriter: Rewriter, samples: Sequence[EditSample]
) -> Iterator[Outcome]:
    """Run sample after sample; each is recorded at once."""
    with ExitStack() as stack:
        out = stack.enter_context(args.jsonl.open("w", encoding="utf-8")) if args.jsonl else None
        for number, sample in enumerate(tqdm(samples, desc="regions")):
            both: tuple[Way, ...] = ("ours", "ar") if number % 2 else ("ar", "ours")
            outcome = rewriter.run(sample, number, both if args.ar else ("ours",))
            if out:
                print(json.dumps(outcome.record(sample)), file=out, flush=True)
            yield outcome


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="made by train edit-data")
    parser.add_argument("--changed", type=int, default=100, help="regions that are to change")
    parser.add_argument("--unchanged", type=int, default=100, help="regions that are not")
    parser.add_argument("--seed", type=int, default=0, help="of the selection")
    parser.add_argument("--effort", choices=("verified", "balanced"), default="verified")
    parser.add_argument("--edit-from", type=float, help="see EditRequest; not given: the likelier")
    parser.add_argument(
        "--ar",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="plain autoregressive rewriting of the same regions beside it",
    )
    parser.add_argument("--jsonl", type=Path, help="one line a region, with its texts and scores")
    add_model_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
