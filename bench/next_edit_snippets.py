"""Next edits of regions whose place is given, without and with snippets of the other open files.

    python bench/next_edit_snippets.py --data train/edit-data --cases 40

Each case is a file of a held-out package in the middle of a change between two releases, with the
other files of its folder open beside it; only those are taken in which there is something to read
about what was changed. The region is the next change with six lines on either side.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from loading import add_model_options, load
from next_edit_places import placed_cases
from rewriting_run import chrf
from tqdm import tqdm

from midspan_engine.engine import Engine
from midspan_server.next_edit.asking import edit_request, region_text
from midspan_server.next_edit.beyond import snippets
from midspan_server.next_edit.hunks import hunks
from midspan_server.next_edit.regions import REGION_TOKENS
from midspan_server.next_edit.tokens import model_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from next_edit_places import PlacedCase

    from midspan_engine.protocol import EditRequest

_AROUND = 6
_HUNKS = 16
_PLENTY_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A region with what it should become."""

    request: EditRequest
    expected: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    args = _parser().parse_args(arguments)
    try:
        cases = placed_cases(args.data, 3 * args.cases, args.seed)
    except FileNotFoundError as error:
        print(f"next_edit_snippets: {error}", file=sys.stderr)
        return 2
    engine = Engine(*load(args, for_edits=True))
    engine.warm_up()
    asked = list(_asked(cases, args.snippet_chars))[: args.cases]
    figures: dict[str, list[tuple[bool, float, bool, int, float]]] = {"without": [], "with": []}
    for number, one in enumerate(tqdm(asked, desc="regions")):
        ways = ("without", "with") if number % 2 else ("with", "without")
        for way in ways:
            figures[way].append(_run(engine, one, bare=way == "without"))
    report = {way: _report(rows) for way, rows in figures.items() if rows}
    print(json.dumps({"bench": "next_edit_snippets", "seed": args.seed, "n": len(asked)} | report))
    return 0


def _run(engine: Engine, one: Asked, *, bare: bool) -> tuple[bool, float, bool, int, float]:
    """Whether it is exact, chrF, whether anything is proposed, tokens and time of the context."""
    request = msgspec.structs.replace(one.request, snippets=()) if bare else one.request
    engine.sessions.forget("")
    edited = engine.edit(request)
    text = edited.text if edited.finish == "edit" else request.region
    score = chrf(request.region, text, one.expected)
    stats = edited.stats
    is_edit = edited.finish == "edit"
    return text == one.expected, score, is_edit, stats.prompt_tokens, stats.context_ms


def _report(rows: Sequence[tuple[bool, float, bool, int, float]]) -> dict[str, float]:
    exact, scores, proposed, tokens, times = zip(*rows, strict=True)
    return {
        "exact": sum(exact),
        "chrf": round(statistics.mean(scores), 1),
        "proposed": sum(proposed),
        "prompt_tokens": round(statistics.mean(tokens)),
        "context_ms": round(statistics.mean(times)),
    }


def _asked(cases: Sequence[PlacedCase], snippet_chars: int) -> Iterator[Asked]:
    for number, case in enumerate(cases):
        lines = _lines(case)
        recent = hunks(case.history, _HUNKS)
        open_documents = [case.document, *case.others]
        found = snippets(recent, open_documents, case.document.uri, snippet_chars)
        if lines is None or not found:
            continue
        first, last, text = case.target
        document = case.document
        request = edit_request(
            case.region(lines),
            recent,
            {document.uri: document},
            (),
            number=number,
            session=f"{number}",
            budget_ms=_PLENTY_MS,
            snippets=found,
        )
        above = region_text(document, lines.start, first) if lines.start < first else ""
        below = region_text(document, last, lines.stop) if last < lines.stop else ""
        expected = above + text + below
        is_small = model_tokens(request.region) <= REGION_TOKENS
        if is_small and request.region.strip() and expected != request.region:
            yield Asked(request=request, expected=expected)


def _lines(case: PlacedCase) -> range | None:
    """Lines around the next change with no other change in them that is due."""
    first, last, _ = case.target
    others = case.due - set(range(first, max(last, first + 1)))
    low = max((line + 1 for line in others if line < first), default=0)
    high = min((line for line in others if line >= last), default=case.document.line_count)
    lines = range(max(low, first - _AROUND), min(high, last + _AROUND))
    return lines if lines.start <= first and last <= lines.stop and lines else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("train/edit-data"))
    parser.add_argument("--cases", type=int, default=40, help="regions that are asked about")
    parser.add_argument("--seed", type=int, default=0, help="of the selection")
    parser.add_argument("--snippet-chars", type=int, default=600, help="as in the settings")
    add_model_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
