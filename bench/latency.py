"""Latency: what somebody who types waits for, beside plain greedy decoding of the same weights.

    python bench/latency.py                          # all parts
    python bench/latency.py --only typing cancel     # some of them
    python bench/latency.py --only replay --minutes 10

typing       cold requests and the request after each typed character, both decodings in turns
cancel       from Cancel to the answer, through the socket
concurrency  1, 2 and 4 sessions at once, through the socket
replay       a recorded editing session through the real Language Server and the real engine

Every part uses an engine of its own on a socket of its own. One JSON line at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine_process import own_engine, resident_mb
from infilling_tasks import DEFAULT_DATA
from latency_decode import SideBySide, measure
from latency_socket import cancelling, concurrency
from loading import add_model_options, load
from recording import read_recording, recording_path, steps
from replay import Window, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine_process import EngineProcess

_PARTS = ("typing", "cancel", "concurrency", "replay")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    args = _parser().parse_args(arguments)
    try:
        trace = recording_path(args.data) if "replay" in args.only else None
    except FileNotFoundError as error:
        if args.only == list(_PARTS):
            print(f"latency: no replay: {error}", file=sys.stderr)
            trace = None
        else:
            print(f"latency: {error}", file=sys.stderr)
            return 2
    line: dict[str, object] = {"bench": "latency"}
    if "typing" in args.only:
        line["typing"] = measure(SideBySide(*load(args)), args.places, args.keys)
    if set(args.only) & {"cancel", "concurrency"} or trace:
        with own_engine(args.model, args.runtime) as engine:
            line |= _through_socket(args, engine, trace)
    print(json.dumps(line))
    return 0


def _through_socket(
    args: argparse.Namespace, engine: EngineProcess, trace: Path | None
) -> dict[str, object]:
    figures: dict[str, object] = {"engine_start_ms": round(engine.start_ms)}
    figures["engine_mb_at_start"] = engine.resident_mb()
    if "cancel" in args.only:
        figures["cancel"] = cancelling(engine, args.places)
    if "concurrency" in args.only:
        figures["concurrency"] = [concurrency(engine, n, args.keys + 4) for n in (1, 2, 4)]
    if trace is not None:
        figures["replay"] = asyncio.run(replay(engine, steps(read_recording(trace)), _window(args)))
    figures["engine_mb"] = resident_mb(engine.process.pid)
    return figures


def _window(args: argparse.Namespace) -> Window:
    return Window(
        start_minutes=args.start_minute,
        minutes=args.minutes,
        speed=args.speed,
        longest_pause_ms=args.longest_pause * 1e3,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=_PARTS, nargs="+", default=list(_PARTS))
    add_model_options(parser)
    parser.add_argument("--places", type=int, default=24, help="cursors for typing and cancelling")
    parser.add_argument("--keys", type=int, default=4, help="characters typed at each place")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="holds edit-traces")
    parser.add_argument(
        "--start-minute", type=float, default=3.0, help="before, hardly anything is typed"
    )
    parser.add_argument("--minutes", type=float, default=3.0, help="of the recording, played")
    parser.add_argument("--speed", type=float, default=1.0, help="2: twice as fast as recorded")
    parser.add_argument(
        "--longest-pause", type=float, default=2.0, help="seconds; longer pauses are cut to this"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
