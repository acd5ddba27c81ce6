"""The command `midspan`: one program, one module for each subcommand, loaded when it is chosen.

The modules are named in the entry-point group `midspan.commands`. Only the chosen one is imported,
so `midspan lsp` and `midspan --version` never meet the engine's heavy packages.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from midspan_engine.protocol import MidspanError

if TYPE_CHECKING:
    from collections.abc import Sequence

_GROUP = "midspan.commands"
_OURS = ("midspan_server", "midspan_engine", "midspan_kernels")
_OTHER_EXTRAS = {
    "datasketch": "train",
    "matplotlib": "bench",
    "prometheus_client": "serve",
    "psutil": "bench",
    "ray": "scale",
    "starlette": "serve",
    "torch": "torch",
    "uvicorn": "serve",
}
_INTERRUPTED = 130


class _Command(Protocol):
    """What a module of the group provides."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run `midspan ARGV`, by default the process's own arguments; return the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    commands = _commands()
    if given and given[0] in commands:
        return _run(given[0], commands[given[0]], given[1:])
    parser = _top_parser(commands)
    args = parser.parse_args(given)
    if args.command is not None:
        parser.error(f"there is no command {args.command!r}; choose from {', '.join(commands)}")
    parser.print_help(sys.stderr)
    return 2


def _run(name: str, module_name: str, given: list[str]) -> int:
    try:
        command = cast("_Command", importlib.import_module(module_name))
        parser = argparse.ArgumentParser(prog=f"midspan {name}", description=command.HELP)
        command.add_arguments(parser)
        return command.run(parser.parse_args(given))
    except MidspanError as error:
        _complain(name, str(error))
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _OURS:
            raise
        extra = _OTHER_EXTRAS.get(package, "engine")
        _complain(name, f"the package {package!r} is missing. Run: pip install 'midspan[{extra}]'")
        return 1
    except KeyboardInterrupt:
        _complain(name, "interrupted")
        return _INTERRUPTED


def _complain(name: str, text: str) -> None:
    print(f"midspan {name}: {text}", file=sys.stderr)  # noqa: T201  the process's own error output


def _commands() -> dict[str, str]:
    """Return each command's name and module, in the order of their names."""
    found = importlib.metadata.entry_points(group=_GROUP)
    return {entry.name: entry.value for entry in sorted(found, key=lambda entry: entry.name)}


def _top_parser(commands: dict[str, str]) -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<10}{_help_of(module)}" for name, module in commands.items())
    parser = argparse.ArgumentParser(
        prog="midspan",
        usage="midspan [-h] [--version] COMMAND ...",
        description="Autocomplete, fill-in-the-middle and next edit for code editors.",
        epilog=f"commands:\n{listing}\n\nmidspan COMMAND --help says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = importlib.metadata.version("midspan")
    parser.add_argument("--version", action="version", version=f"midspan {version}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    return parser


def _help_of(module_name: str) -> str:
    """Return a module's HELP by reading its source: importing it may load the whole engine."""
    try:
        found = importlib.util.find_spec(module_name)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        return "(not installed)"
    for node in ast.parse(Path(found.origin).read_bytes()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="HELP")], value=ast.Constant(value=str(text))):
                return text
    return ""


if __name__ == "__main__":
    sys.exit(main())
