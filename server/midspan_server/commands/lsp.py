"""`midspan lsp`: the Language Server on standard input and output."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from midspan_server.app import create_server

if TYPE_CHECKING:
    import argparse

HELP = "run the Language Server on standard input and output"

_LONGEST_ARGUMENT = 200
_GC_THRESHOLD = 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--stdio", action="store_true", help="accepted for editors that add it; the only transport"
    )
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="warning",
        help="how much to log; `debug` includes source text (default: %(default)s)",
    )
    parser.add_argument(
        "--log-file", type=Path, default=None, help="log there and not to standard error"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until the client hangs up."""
    _configure_logging(args.log_level, args.log_file)
    # Whatever prints would break the stream that the client reads, so it gets standard error.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = create_server()
    # What is loaded now stays; without it a full collection takes longer than a reply may.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 50, 100)
    server.start_io(sys.stdin.buffer, channel)
    return 0


class _WithoutSource(logging.Filter):
    """Shortens what pygls logs: it puts whole messages, source text included, into its records."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_short(argument) for argument in record.args)
        return True


def _short(argument: object) -> object:
    if isinstance(argument, (int, float, type(None))):
        return argument
    return (
        str(argument) if len(str(argument)) <= _LONGEST_ARGUMENT else f"<{type(argument).__name__}>"
    )


def _configure_logging(level: str, file: Path | None) -> None:
    handler = logging.FileHandler(file, encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if level != "debug":
        handler.addFilter(_WithoutSource())
        # At INFO pygls logs every message it sends.
        logging.getLogger("pygls").setLevel(logging.WARNING)
    logging.basicConfig(level=level.upper(), handlers=[handler])
