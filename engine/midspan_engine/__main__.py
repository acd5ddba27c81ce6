"""`python -m midspan_engine` is `midspan engine`: how an editor's process starts the engine."""

from __future__ import annotations

import argparse
import sys

from midspan_engine.commands import engine


def main() -> int:
    """Run the resident process; the exit code."""
    parser = argparse.ArgumentParser(prog="midspan engine", description=engine.HELP)
    engine.add_arguments(parser)
    return engine.run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
