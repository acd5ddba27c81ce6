"""`midspan demo`: complete the example project in a real session of the Language Server."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from midspan_engine.protocol import (
    EngineUnavailable,
    Hello,
    ProtocolMismatch,
    Welcome,
    decode_engine,
    encode,
    frame_length,
    socket_path,
)
from midspan_server.demo_screen import COLOURED, MARKED, Palette, excerpt, figures, heading
from midspan_server.demo_session import DemoEditor, Shown, demo_editor
from midspan_server.example_project import GAPS, Unfinished, example_folder, unfinished
from midspan_server.settings import EngineSettings

if TYPE_CHECKING:
    import argparse

    from midspan_server.status import Status

HELP = "complete the bundled example project and show what came of it"

_ENGINE_S = 300.0
_HEADER_BYTES = 4
_PEER_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--colour",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set; without colour «» mark the suggestions",
    )


def run(args: argparse.Namespace) -> int:
    """Show the demo; 1 if there was not a single suggestion."""
    palette = _palette(args.colour)
    folder = example_folder()
    places = [unfinished(folder, gap) for gap in GAPS]
    print(f"Midspan completes the example project in {folder}")
    suggestions = asyncio.run(_show(folder, places, palette))
    print(f"\n{suggestions} of {len(places)} places got a suggestion.")
    _say_what_stays()
    _say_what_next()
    return 0 if suggestions else 1


async def _show(folder: Path, places: list[Unfinished], palette: Palette) -> int:
    waiting = _Waiting()
    async with demo_editor(folder, waiting.on_status) as editor:
        status = await editor.engine_ready(_ENGINE_S)
        waiting.over(status)
        shown = [await _show_one(editor, place, palette) for place in places]
    return sum(shown)


async def _show_one(editor: DemoEditor, place: Unfinished, palette: Palette) -> bool:
    editor.open(place)
    shown = await editor.suggest(place)
    print(f"\n{heading(place, palette)}")
    if shown is None:
        print(excerpt(place, "", palette))
        print("     nothing that Midspan is sure enough of")
    else:
        print(excerpt(place, shown.text, palette))
        print(figures(shown, palette))
        await _type_on(editor, place, shown)
    sys.stdout.flush()
    editor.close(place)
    return shown is not None


async def _type_on(editor: DemoEditor, place: Unfinished, shown: Shown) -> None:
    """Type the suggestion's first character and ask again, as an editor does."""
    editor.type_at(place, shown.text[0])
    again = await editor.suggest(place, typed=1)
    if again is not None and again.text == shown.text[1:]:
        print(f"     {again.latency_ms:,.0f} ms for the rest after typing {shown.text[0]!r}")


class _Waiting:
    """Tells what the engine does until it is ready: one line for each thing, or one in place."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._last = ""
        self._in_place = sys.stdout.isatty()

    def on_status(self, status: Status) -> None:
        if status.state not in {"starting", "loading"} or status.message == self._last:
            return
        self._last = status.message
        share = f" {100 * status.progress:.0f} %" if status.state == "loading" else ""
        line = f"engine: {status.message or status.state}{share}"
        print(f"\r\033[K{line}" if self._in_place else line, end="" if self._in_place else "\n")
        sys.stdout.flush()

    def over(self, status: Status) -> None:
        waited_s = time.perf_counter() - self._begun
        before = "\r\033[K" if self._in_place else ""
        print(f"{before}engine: ready with {status.model} after {waited_s:.1f} s", flush=True)
        if status.note:
            print(f"note: {status.note}", flush=True)


def _palette(colour: str) -> Palette:
    terminal = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return COLOURED if colour == "always" or (colour == "auto" and terminal) else MARKED


def _say_what_stays() -> None:
    minutes = EngineSettings().idle_minutes
    pid = engine_pid(socket_path())
    how = "; to end it now: midspan engine --stop" if pid else ""
    print(
        f"The engine stays, so that the next start is instant, and ends after {minutes} idle "
        f"minutes{how}"
    )


def _say_what_next() -> None:
    program = Path(sys.argv[0]).absolute()
    command = program if program.name == "midspan" else "midspan"
    print("Next:")
    print(f"  any editor with LSP   run `{command} lsp` as a Language Server; README.md has")
    print("                        settings for Neovim, Helix, Emacs and others")
    print(f"  a script              {command} complete FILE:LINE:COLUMN")
    print(f"  something is wrong    {command} doctor")


def engine_pid(address: Path) -> int | None:
    """Return the process of the engine that listens there, None where nobody says."""
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(_PEER_S)
            peer.connect(str(address))
            peer.sendall(encode(Hello(client="midspan-demo")))
            with peer.makefile("rb") as stream:
                answer = decode_engine(stream.read(frame_length(stream.read(_HEADER_BYTES))))
    except (OSError, ProtocolMismatch, EngineUnavailable):
        return None
    return answer.pid if isinstance(answer, Welcome) else None
