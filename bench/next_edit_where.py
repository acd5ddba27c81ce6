"""Where the next edit is: the order of the rules, and what the likelihood of the text makes of it.

    python bench/next_edit_where.py --data train/edit-data --cases 40

Each case is a file of a held-out package in which some changes between two releases are made and
others are due. The rules name five regions; where nothing is due in any of them, the true place
takes that of the last one, and where something is due in all, there is nothing to tell apart and
the case is left out. Counted is how often the first region is one in which something is due.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loading import add_model_options, load
from next_edit_places import placed_cases
from tqdm import tqdm

from midspan_engine.engine import Engine
from midspan_server.next_edit.asking import likelihood_request
from midspan_server.next_edit.hunks import hunks
from midspan_server.next_edit.likelier import ORDERS, ranked
from midspan_server.next_edit.regions import candidates
from midspan_server.next_edit.seeking import MOST_REGIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from next_edit_places import PlacedCase

    from midspan_server.next_edit.regions import Candidate

_PLENTY_MS = 1e4
_HUNKS = 16
_AROUND = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One case: what is due where, and what each line lost."""

    name: str
    regions: list[Candidate]
    due: list[bool]
    losses: list[list[float]]
    ms: float
    tokens: int
    is_located: bool
    """Whether the rules named a place where something is due."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    args = _parser().parse_args(arguments)
    try:
        cases = placed_cases(args.data, 3 * args.cases, args.seed)
    except FileNotFoundError as error:
        print(f"next_edit_where: {error}", file=sys.stderr)
        return 2
    engine = Engine(*load(args, for_edits=True))
    engine.warm_up()
    seen: list[Seen] = []
    progress = tqdm(cases, desc="cases")
    for case in progress:
        found = _looked_at(case, engine)
        if found is not None:
            seen.append(found)
        if len(seen) >= args.cases:
            break
    progress.close()
    if args.jsonl:
        args.jsonl.write_text("".join(json.dumps(_record(one)) + "\n" for one in seen))
    print(json.dumps({"bench": "next_edit_where", "seed": args.seed, **_report(seen)}))
    return 0


def _looked_at(case: PlacedCase, engine: Engine) -> Seen | None:
    """None where the regions cannot be told apart."""
    regions = candidates(case.history, [case.document], MOST_REGIONS, _PLENTY_MS)
    due = [case.is_due(one) for one in regions]
    is_located = any(due)
    if not is_located and len(regions) == MOST_REGIONS:
        regions = [*regions[:-1], _true(case)]
        due = [*due[:-1], True]
    if all(due) or not any(due):
        return None
    request = likelihood_request(
        regions,
        hunks(case.history, _HUNKS),
        {case.document.uri: case.document},
        (),
        number=1,
        session="where",
        budget_ms=None,
    )
    engine.sessions.forget("")
    began = time.perf_counter()
    answer = engine.likelihoods(request)
    return Seen(
        name=case.name,
        regions=regions,
        due=due,
        losses=[list(one) for one in answer.losses],
        ms=1e3 * (time.perf_counter() - began),
        tokens=answer.stats.prompt_tokens - answer.stats.cached_tokens,
        is_located=is_located,
    )


def _true(case: PlacedCase) -> Candidate:
    """Lines around the place of the next change."""
    first, last, _ = case.target
    end = min(case.document.line_count, max(last, first + 1) + _AROUND)
    return case.region(range(max(0, first - _AROUND), end))


def _report(seen: Sequence[Seen]) -> dict[str, object]:
    count = max(len(seen), 1)
    firsts = dict.fromkeys(("rules", *ORDERS), 0)
    ranks: dict[str, list[float]] = {name: [] for name in firsts}
    for one in seen:
        orders = {"rules": list(one.regions)}
        orders |= {name: ranked(one.regions, one.losses, name) for name in ORDERS}
        for name, order in orders.items():
            rank = 1 + min(
                order.index(r) for r, due in zip(one.regions, one.due, strict=True) if due
            )
            firsts[name] += rank == 1
            ranks[name].append(1 / rank)
    return {
        "cases": len(seen),
        "located_by_rules": sum(one.is_located for one in seen),
        "chance": round(sum(sum(one.due) / len(one.due) for one in seen) / count, 3),
        "first_is_right": firsts,
        "mean_reciprocal_rank": {
            name: round(statistics.mean(values), 3) for name, values in ranks.items() if values
        },
        "ms_p50": round(statistics.median(one.ms for one in seen)) if seen else None,
        "tokens_p50": statistics.median(one.tokens for one in seen) if seen else None,
    }


def _record(one: Seen) -> dict[str, object]:
    return {
        "name": one.name,
        "reasons": [region.reason for region in one.regions],
        "scores": [region.score for region in one.regions],
        "due": one.due,
        "losses": one.losses,
        "ms": one.ms,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("train/edit-data"))
    parser.add_argument("--cases", type=int, default=40, help="that are looked at")
    parser.add_argument("--seed", type=int, default=0, help="of the selection")
    parser.add_argument("--jsonl", type=Path, help="one line a case, with the losses of each line")
    add_model_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
