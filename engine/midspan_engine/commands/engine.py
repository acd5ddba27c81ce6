"""`midspan engine`: the resident process that editors share."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from midspan_engine.protocol import MidspanError, ProtocolMismatch, socket_path
from midspan_engine.runtime import RuntimeName
from midspan_engine.service.probe import probe
from midspan_engine.service.process import EngineConfig, serve

if TYPE_CHECKING:
    import argparse

HELP = "run the resident engine (editors start it by themselves)"
_MIB = 1024 * 1024
_STOP_PATIENCE_S = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_engine_arguments(parser)
    parser.add_argument("--stop", action="store_true", help="end the running engine")
    parser.add_argument(
        "--idle-minutes", type=float, default=30.0, help="leave when unused for so long; 0: never"
    )


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every command that runs an engine takes."""
    parser.add_argument("--model", default="midspan-0.5b", help="name or folder of a model")
    parser.add_argument("--socket", type=Path, default=None, help="where to listen")
    parser.add_argument("--runtime", choices=get_args(RuntimeName), default="auto")
    parser.add_argument(
        "--infill",
        default="auto",
        help="infilling adapter, merged into the weights: a file; auto: the one that ships; none",
    )
    parser.add_argument(
        "--adapter",
        default="none",
        help="diffusion adapter for masked rows: a file; auto: the one that ships; none",
    )
    parser.add_argument(
        "--edits",
        default="auto",
        help="adapter for next edits, merged into a second copy of the weights that is loaded when "
        "they are first asked for: a file; auto: the one that ships; none",
    )
    parser.add_argument("--cache-mb", type=int, default=256, help="size of the context cache")
    parser.add_argument("--threads", type=int, default=0, help="0: one for each physical core")
    parser.add_argument("--verbose", action="store_true", help="log more, still no source text")


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; the exit code."""
    log_to_stderr(verbose=args.verbose)
    if args.stop:
        return _stop(args.socket or socket_path())
    try:
        idle_s = args.idle_minutes * 60
        return serve(dataclasses.replace(config_of(args, idle_s=idle_s), use_embedded=True))
    except (MidspanError, OSError) as error:
        print(f"midspan engine: {error}", file=sys.stderr)
        return 1


def log_to_stderr(*, verbose: bool) -> None:
    """Where the log goes: standard output belongs to nobody here."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def config_of(args: argparse.Namespace, *, idle_s: float = 0.0) -> EngineConfig:
    """What `add_engine_arguments` was told."""
    return EngineConfig(
        model=args.model,
        socket=args.socket or socket_path(),
        runtime=args.runtime,
        infill=args.infill,
        adapter=args.adapter,
        edits=args.edits,
        cache_bytes=args.cache_mb * _MIB,
        threads=args.threads,
        idle_s=idle_s,
    )


def _stop(path: Path) -> int:
    """Ask the engine that listens on `path` to finish and leave; the exit code."""
    try:
        pid = probe(path).welcome.pid
    except (FileNotFoundError, ConnectionRefusedError):
        print("no engine is running")
        return 0
    except (OSError, ProtocolMismatch) as error:
        print(f"midspan engine: {path} does not answer: {error}", file=sys.stderr)
        return 1
    if pid <= 1:
        print("midspan engine: the engine does not say which process it is", file=sys.stderr)
        return 1
    with contextlib.suppress(ProcessLookupError):  # it left by itself meanwhile
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_PATIENCE_S
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    if path.exists():
        print(f"midspan engine: process {pid} is still finishing its work", file=sys.stderr)
        return 1
    print(f"the engine (process {pid}) has left")
    return 0
