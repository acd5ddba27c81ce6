"""`midspan pull`: fetch a model and convert it once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from midspan_engine import weights
from midspan_engine.protocol import ProtocolMismatch, socket_path
from midspan_engine.service.probe import probe
from midspan_engine.weights.embedded import EMBEDDED_MODEL
from midspan_engine.weights.progress import Silent, Terminal

if TYPE_CHECKING:
    import argparse

HELP = "fetch a model's weights and convert them once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "model",
        nargs="?",
        help=f"a known name, OWNER/MODEL on the Hugging Face hub, or with --from a name of your "
        f"choice (default: {weights.DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="PATH",
        help="take a GGUF file or a Hugging Face folder instead of downloading",
    )
    parser.add_argument("--force", action="store_true", help="convert again even if it is here")
    parser.add_argument(
        "--keep-download", action="store_true", help="keep the downloaded file after converting"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, errors only")


def run(args: argparse.Namespace) -> int:
    """Pull, and say where the model is."""
    files = weights.pull(
        args.model,
        args.source,
        progress=Silent() if args.quiet else Terminal(sys.stderr),
        force=args.force,
        keep_download=args.keep_download,
    )
    _relieve_embedded()
    print(f"{files.name} is ready: {files.folder} ({files.size_bytes / 1e6:,.0f} MB)")
    return 0


def _relieve_embedded() -> None:
    """End an engine that runs the small embedded model: the next request starts a better one."""
    try:
        found = probe(socket_path())
    except (OSError, ProtocolMismatch):
        return
    if found.status.model == EMBEDDED_MODEL and found.welcome.pid > 1:
        with contextlib.suppress(ProcessLookupError):  # it left by itself meanwhile
            os.kill(found.welcome.pid, signal.SIGTERM)
        print("the running engine, which had the small model, ends; the next request starts it")
