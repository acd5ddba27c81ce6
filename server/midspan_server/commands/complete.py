"""`midspan complete`: one completion for scripts."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from midspan_engine.protocol import EngineUnavailable, MidspanError, socket_path
from midspan_server.engine_client import EngineClient
from midspan_server.engine_launcher import EngineLauncher
from midspan_server.ignore import IgnoreRules
from midspan_server.language_of import language_of
from midspan_server.one_shot import Completed, Wish, complete
from midspan_server.snapshot import DocumentSnapshot
from midspan_server.status import Status

HELP = "complete at a place in a file and print the text"

_TARGET = re.compile(r"(?P<file>.+?)(?::(?P<line>\d+)(?::(?P<column>\d+))?)?", re.DOTALL)
_SEPARATOR = "---"


class PlaceInvalid(MidspanError):  # noqa: N818  named for what is wrong
    """The file cannot be read, may not be read, or has no such line or column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`FILE:LINE:COLUMN` taken apart; None is the last line, and the end of the line."""

    file: str
    line: int | None = None
    column: int | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Take `text` apart; the name of a file that exists is that file, colons and all."""
        match = _TARGET.fullmatch(text)
        if match is None or Path(text).is_file():
            return cls(file=text)
        line, column = match["line"], match["column"]
        return cls(
            file=match["file"],
            line=int(line) if line else None,
            column=int(column) if column else None,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "LINE and COLUMN count from 1, COLUMN in characters, as editors show them: the cursor\n"
        "stands before that character. Without COLUMN it stands at the end of the line, without\n"
        "LINE at the end of the file.\n\n"
        "The text is printed as it would be inserted. Nothing to suggest: nothing is printed.\n"
        "Exit code: 0 also then, 1 when it failed, 2 for wrong arguments."
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument(
        "target",
        nargs="?",
        metavar="FILE[:LINE[:COLUMN]]",
        help="where; `-` for FILE reads standard input",
    )
    # What begins with a dash is an option to argparse, and so `-:3:7` is one.
    place.add_argument("-:", dest="place_in_stdin", help=argparse.SUPPRESS)
    parser.add_argument(
        "--language", help="LSP language identifier; by default after the file's suffix"
    )
    parser.add_argument(
        "--effort",
        choices=("verified", "balanced", "draft"),
        default="verified",
        help="verified: exactly the autoregressive answer; balanced: also words that are nearly as "
        "likely, in fewer passes; draft: pure diffusion, which takes an engine with an adapter "
        "(default: %(default)s)",
    )
    parser.add_argument("--steps", type=_positive, help="draft: passes to fill a block of masks in")
    parser.add_argument(
        "--scope",
        choices=("auto", "line", "block"),
        default="auto",
        help="how much; auto decides as in an editor (default: %(default)s)",
    )
    parser.add_argument("--max-tokens", type=_positive, help="bound for each alternative")
    parser.add_argument(
        "--n",
        type=_positive,
        default=1,
        help=f"alternatives, printed with a line {_SEPARATOR!r} between them (default: 1)",
    )
    parser.add_argument("--model", help="model of the engine, if it has to be started")
    parser.add_argument("--json", action="store_true", help="one JSON object with all figures")


def run(args: argparse.Namespace) -> int:
    """Complete and print; the exit code."""
    in_stdin = args.place_in_stdin
    target = Target.parse(args.target if in_stdin is None else f"-:{in_stdin}")
    snapshot = _read(target, args.language)
    offset = offset_of(snapshot, target)
    wish = Wish(
        effort=args.effort,
        steps=args.steps,
        n=args.n,
        scope=None if args.scope == "auto" else args.scope,
        max_tokens=args.max_tokens,
    )
    begun = time.perf_counter()
    completed, status = asyncio.run(_ask(snapshot, offset, wish, _engine_name(args.model)))
    if status.note:
        print(f"midspan: {status.note}", file=sys.stderr)
    if args.json:
        client_ms = 1000 * (time.perf_counter() - begun)
        print(json.dumps(_described(completed, snapshot, offset, status.model, client_ms)))
    elif completed.texts:
        print(f"\n{_SEPARATOR}\n".join(completed.texts))
    return 0


def offset_of(snapshot: DocumentSnapshot, target: Target) -> int:
    """Return the offset of a place, in code points.

    Raises:
        PlaceInvalid: the document has no such line or column.
    """
    if target.line is None:
        return len(snapshot.text)
    if not 1 <= target.line <= snapshot.line_count:
        raise PlaceInvalid(
            f"{target.file} has no line {target.line}; the last one is {snapshot.line_count}"
        )
    start, end = snapshot.line_starts[target.line - 1], snapshot.line_end(target.line - 1)
    if target.column is None:
        return end
    if not 1 <= target.column <= end - start + 1:
        raise PlaceInvalid(
            f"line {target.line} of {target.file} has no column {target.column}; "
            f"the last one is {end - start + 1}, behind its text"
        )
    return start + target.column - 1


def _read(target: Target, language: str | None) -> DocumentSnapshot:
    if target.file == "-":
        text = _decoded(sys.stdin.buffer.read(), "standard input")
        return DocumentSnapshot(
            uri="untitled:stdin", path=None, version=0, language=language or "", text=text
        )
    path = Path(target.file).absolute()
    if IgnoreRules(()).forbids(path):
        raise PlaceInvalid(
            f"{target.file} is never read: it is ignored, or may hold secrets by its name"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PlaceInvalid(f"{target.file} cannot be read: {error.strerror}") from error
    return DocumentSnapshot(
        uri=path.as_uri(),
        path=path,
        version=0,
        language=language_of(path) if language is None else language,
        text=_decoded(data, target.file),
    )


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlaceInvalid(f"{name} is not UTF-8 text: {error.reason}") from error


def _engine_name(model: str | None) -> str | None:
    """Return the model as the engine finds it, which works in another folder."""
    return str(Path(model).absolute()) if model and Path(model).exists() else model


async def _ask(
    snapshot: DocumentSnapshot, offset: int, wish: Wish, model: str | None
) -> tuple[Completed, Status]:
    """Ask the user's engine, which is started if need be; return what it says of itself too."""
    told: list[Status] = []
    socket = socket_path()
    command = (sys.executable, "-m", "midspan_engine", "--model", model) if model else ()
    client = EngineClient(
        socket, launcher=EngineLauncher(socket, command=command), on_status=told.append
    )
    try:
        completed = await complete(client, snapshot, offset, wish)
        used = next((one for one in reversed(told) if one.model), Status(state="ready"))
        if model and used.model != model:
            raise EngineUnavailable(
                f"the running engine has the model {used.model!r}; end it first, or set "
                "MIDSPAN_SOCKET to a new path for an engine of its own"
            )
    finally:
        await client.close()
    return completed, used


def _described(
    completed: Completed, snapshot: DocumentSnapshot, offset: int, model: str, client_ms: float
) -> dict[str, Any]:
    line = snapshot.line_of(offset)
    return {
        "path": str(snapshot.path) if snapshot.path else None,
        "line": line + 1,
        "column": offset - snapshot.line_starts[line] + 1,
        "language": snapshot.language,
        "model": model,
        "scope": completed.scope.scope,
        "completions": [
            {**msgspec.to_builtins(choice), "text": text, "unfiltered_text": choice.text}
            for text, choice in zip(completed.texts, completed.choices, strict=True)
        ],
        "stats": {**msgspec.to_builtins(completed.stats), "client_ms": round(client_ms, 1)},
    }


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
