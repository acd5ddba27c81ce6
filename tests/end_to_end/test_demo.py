"""`midspan demo` as a new user meets it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from midspan_engine import weights
from midspan_engine.protocol import EngineStatus
from midspan_server.commands.demo import engine_pid
from midspan_server.example_project import GAPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.end_to_end.scripted_engine import ScriptedEngine

pytestmark = pytest.mark.slow


async def _demo(environment: dict[str, str], *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "midspan_server", "demo", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, error = await process.communicate()
    return process.returncode, out.decode(), error.decode()


async def test_the_session_asks_at_every_gap_and_shows_the_answer_in_place(
    engine: ScriptedEngine, environment: dict[str, str]
) -> None:
    engine.reply = lambda _: "answer()"
    code, out, error = await _demo(environment)
    assert (code, error) == (0, "")
    assert len(engine.requests) == len(GAPS)
    assert out.count("«answer()»") == len(GAPS)
    assert "total += «answer()»" in out
    assert out.count(" for the rest after typing 'a'") == len(GAPS)
    assert "engine: ready with scripted" in out


async def test_nothing_left_out_is_in_what_the_engine_reads(
    engine: ScriptedEngine, environment: dict[str, str]
) -> None:
    engine.reply = lambda _: "answer()"
    await _demo(environment)
    for gap, request in zip(GAPS, engine.requests, strict=True):
        read = (request.prefix, request.suffix, *(one.text for one in request.snippets))
        assert not any(gap.left_out in text for text in read)


async def test_no_suggestion_at_all_is_a_failure(
    engine: ScriptedEngine, environment: dict[str, str]
) -> None:
    engine.reply = lambda _: "  "
    code, out, _ = await _demo(environment)
    assert code == 1
    assert f"0 of {len(GAPS)} places got a suggestion." in out


async def test_an_engine_that_fails_is_told_in_its_own_words(
    engine: ScriptedEngine, environment: dict[str, str]
) -> None:
    engine.status = EngineStatus(state="failed", message="run: midspan pull")
    code, _, error = await _demo(environment)
    assert (code, error) == (1, "midspan demo: run: midspan pull\n")


async def test_colour_replaces_the_marks(
    engine: ScriptedEngine, environment: dict[str, str]
) -> None:
    engine.reply = lambda _: "answer()"
    _, out, _ = await _demo(environment, "--colour", "always")
    assert "«" not in out
    assert "\033[1;32manswer()\033[0m" in out


async def test_the_real_engine_is_started_completes_and_says_how_to_end_it(
    environment: dict[str, str], state: Path
) -> None:
    try:
        weights.resolve()
    except weights.WeightsMissing as missing:
        pytest.skip(str(missing))
    code, out, error = await _demo(environment)
    pid = engine_pid(state / "engine.sock")
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    assert (code, error) == (0, "")
    assert "to end it now: midspan engine --stop" in out
    assert len(re.findall(r"\d forward pass(es)? for \d+ tokens?; ", out)) >= len(GAPS) - 1
    assert "«line.product.priceCents * line.quantity;»" in out
