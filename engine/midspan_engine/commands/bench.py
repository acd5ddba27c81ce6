"""`midspan bench`: the benches of a source checkout."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from midspan_engine.protocol import MidspanError

HELP = "measure quality, latency or the runtimes (from a source checkout)"
NAMES = (
    *("quality", "latency", "runtimes", "diffusion_vs_ar", "canvas", "twin", "next_edit"),
    *("rewriting", "http_load", "gpu", "roofline"),
)
_CHECKOUT = Path(__file__).resolve().parents[3]


class BenchMissing(MidspanError):  # noqa: N818  named for what is missing
    """Midspan was installed without its source checkout."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments; what follows the name is the bench's own."""
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("options", nargs=argparse.REMAINDER, help="see: midspan bench NAME --help")


def run(args: argparse.Namespace) -> int:
    """Run the script in a process of its own; its exit code.

    Raises:
        BenchMissing: there is no script here.
    """
    script = script_of(args.name, _CHECKOUT)
    return subprocess.run([sys.executable, str(script), *args.options], check=False).returncode


def script_of(name: str, checkout: Path) -> Path:
    """The script of a bench.

    Raises:
        BenchMissing: `checkout` does not hold it.
    """
    script = checkout / "bench" / f"{name}.py"
    if not script.is_file():
        raise BenchMissing(
            "the benches come with the source, not with the package: clone the repository, "
            "run `make setup` there, and then `midspan bench` again"
        )
    return script
