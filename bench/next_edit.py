"""Next edits on recorded cases whose possible edits were graded by hand, and their times.

Each case is a recording that ends where a next edit could be offered, and a list of edits with
their grades: `nextEdit` (what should follow), `valid` (acceptable) and `bad`. An edit counts as
graded when it leads to the same text, blanks aside. What nobody graded is compared with what the
user did next (`user`: the edit is one part of it), and is `ungraded` otherwise.

By default only what follows from the syntax is offered. With `--engine real` an engine of its own
answers too, and `--times` measures, through `midspan lsp` on standard streams, from save to
suggestion on the same cases, and from accept to the next offer in a rename in 300 lines.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from engine_process import own_engine
from next_edit_cases import DEFAULT_DATA, Case, grade, load, played, rank_of_place
from next_edit_times import ranking_times, rename_times, save_times

from midspan_server.engine_client import EngineClient
from midspan_server.next_edit.flow import Ask, Flow
from midspan_server.next_edit.regions import candidates
from midspan_server.next_edit.seeking import MOST_REGIONS, Scene
from midspan_server.settings import NextEditSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine_process import EngineProcess

    from midspan_server.engine_client import Rewriter
    from midspan_server.next_edit.acceptance import Show

_PLENTY_MS = 1e4
_GRADES = ("nextEdit", "valid", "user", "ungraded", "bad", "silent")
_SHOWS: tuple[Show, ...] = ("eager", "balanced", "quiet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was offered first: its grade, who had it, the edit for people, and how long it took."""

    grade: str
    source: str
    probability: float
    edit: str
    ms: float


async def answered(
    case: Case, engine: Callable[[], Rewriter], settings: NextEditSettings
) -> Answer:
    """Play a case and grade the first edit that is offered."""
    player = played(case)
    here = player.documents[player.last]
    others = (one for one in player.documents.values() if one is not here)
    scene = Scene(history=player.history, documents=(here, *others))
    flow = Flow(lambda: scene, engine)
    began = time.perf_counter()
    offered = await flow.find(Ask(snapshot=here, offset=player.cursor), settings)
    ms = 1e3 * (time.perf_counter() - began)
    if not offered:
        return Answer(grade="silent", source="", probability=0.0, edit="", ms=ms)
    best = offered[0].proposal
    document = best.snapshot
    return Answer(
        grade=grade(case, best),
        source=offered[0].source,
        probability=round(offered[0].probability, 3),
        edit=f"{best.line + 1}: {document.text[best.start : best.end]!r} -> {best.text!r}",
        ms=ms,
    )


def _no_engine() -> Rewriter:
    raise AssertionError("the model is off")


async def _all(
    cases: list[Case], engine: EngineProcess | None, settings: NextEditSettings
) -> dict[str, Answer]:
    if engine is None:
        return {case.name: await answered(case, _no_engine, settings) for case in cases}
    client = EngineClient(engine.socket, launcher=None, on_status=lambda _status: None)
    try:
        return {case.name: await answered(case, lambda: client, settings) for case in cases}
    finally:
        await client.close()


def _graded(
    cases: list[Case], engine: EngineProcess | None, settings: NextEditSettings
) -> dict[str, Any]:
    answers = asyncio.run(_all(cases, engine, settings))
    for name, answer in answers.items():
        print(f"{answer.grade:9} {answer.probability:5.2f} {name}  {answer.edit}")
    counts = Counter(answer.grade for answer in answers.values())
    figures = {grade: counts[grade] for grade in _GRADES} | {
        "cases": len(cases),
        "p50_ms": round(statistics.median(answer.ms for answer in answers.values()), 1),
    }
    print(" ".join(f"{name}={value}" for name, value in figures.items()))
    return figures | {"answers": answers}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="holds edit-traces")
    parser.add_argument("--engine", choices=("none", "real"), default="none", help="who is asked")
    parser.add_argument("--model", default="midspan-0.5b", help="model, or a folder of weights")
    parser.add_argument("--runtime", default="auto", help="runtime of the engine")
    parser.add_argument("--budget-ms", type=int, default=2500, help="for the regions of a case")
    parser.add_argument("--times", action="store_true", help="measure through the Language Server")
    parser.add_argument("--rounds", type=int, default=3, help="of the cases, for --times")
    parser.add_argument("--out", type=Path, default=None, help="write the figures there, as JSON")
    return parser.parse_args()


def _located(cases: list[Case]) -> dict[str, float]:
    """How often a good edit is in the regions that are asked about, and in the first of them."""
    ranks = []
    for case in cases:
        player = played(case)
        documents = list(player.documents.values())
        regions = candidates(player.history, documents, MOST_REGIONS, _PLENTY_MS)
        ranks.append(rank_of_place(case, player, regions))
    figures = {
        "located_in_any": sum(rank is not None for rank in ranks) / len(ranks),
        "located_in_first": ranks.count(1) / len(ranks),
    }
    print(" ".join(f"{name}={value:.2f}" for name, value in figures.items()))
    return figures


def _timed(cases: list[Case], engine: EngineProcess | None, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="midspan-bench-") as folder:
        figures: dict[str, Any] = {"ranking": ranking_times()}
        figures["rename"] = asyncio.run(rename_times(Path(folder), engine))
        if engine is not None:
            figures["save"] = asyncio.run(save_times(Path(folder), engine, cases, rounds))
    for name, values in figures.items():
        print(name, " ".join(f"{key}={value}" for key, value in values.items()))
    return figures


def _run(args: argparse.Namespace, cases: list[Case], engine: EngineProcess | None) -> None:
    figures: dict[str, Any] = {"regions": _located(cases)}
    for show in _SHOWS if engine else ("balanced",):
        print(f"--- {show if engine else 'rules only'}")
        settings = NextEditSettings(model=engine is not None, show=show, budget_ms=args.budget_ms)
        figures[show if engine else "rules"] = _graded(cases, engine, settings)
    if args.times:
        figures["times"] = _timed(cases, engine, args.rounds)
    if args.out:
        args.out.write_bytes(msgspec.json.encode(figures))


def main() -> int:
    """Run what the arguments say; return the exit code."""
    args = _arguments()
    try:
        cases = load(args.data)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    if args.engine == "none":
        _run(args, cases, None)
        return 0
    with own_engine(args.model, args.runtime) as engine:
        _run(args, cases, engine)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
