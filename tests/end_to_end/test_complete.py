"""`midspan complete` as a script calls it: a process, an engine, an exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import Failure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.end_to_end.scripted_engine import ScriptedEngine

pytestmark = pytest.mark.slow

TEXT = "def area(width, height):\n    return wid\n"


async def _complete(
    environment: dict[str, str], *arguments: str, typed: str = ""
) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "midspan_server", "complete", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, error = await process.communicate(typed.encode())
    return process.returncode, out.decode(), error.decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "area.py"
    path.write_text(TEXT)
    return path


async def test_the_completion_is_printed_and_nothing_else(
    engine: ScriptedEngine, environment: dict[str, str], file: Path
) -> None:
    engine.reply = lambda _: "th * height"
    assert await _complete(environment, f"{file}:2:15") == (0, "th * height\n", "")
    [request] = engine.requests
    assert request.prefix.endswith("return wid")
    assert (request.suffix, request.language) == ("\n", "python")


async def test_standard_input_is_read_and_its_language_told(
    engine: ScriptedEngine, environment: dict[str, str]
) -> None:
    engine.reply = lambda _: "th * height"
    code, out, _ = await _complete(environment, "-:2:15", "--language", "python", typed=TEXT)
    assert (code, out) == (0, "th * height\n")
    assert engine.requests[0].language == "python"


async def test_json_has_the_figures_and_the_place(
    engine: ScriptedEngine, environment: dict[str, str], file: Path
) -> None:
    engine.reply = lambda _: "th * height  "
    _, out, _ = await _complete(environment, f"{file}:2", "--json", "--n", "2")
    told = json.loads(out)
    assert (told["line"], told["column"], told["model"]) == (2, 15, "scripted")
    [completion] = told["completions"]
    assert completion["text"] == "th * height"
    assert completion["unfiltered_text"] == "th * height  "
    assert completion["confidence"] == engine.confidence
    assert {"passes", "tokens", "accepted", "cached_tokens", "client_ms"} <= set(told["stats"])


async def test_nothing_to_suggest_prints_nothing_and_is_no_failure(
    engine: ScriptedEngine, environment: dict[str, str], file: Path
) -> None:
    engine.reply = lambda _: "   "
    assert await _complete(environment, f"{file}:2") == (0, "", "")


async def test_a_refusal_is_one_line_on_standard_error(
    engine: ScriptedEngine, environment: dict[str, str], file: Path
) -> None:
    asked = asyncio.ensure_future(_complete(environment, f"{file}:2"))
    refusal = Failure(id=0, code="bad_request", message="that is too much")
    engine.refuse(await engine.request(), refusal)
    assert await asked == (1, "", "midspan complete: that is too much\n")


async def test_another_model_than_the_running_one_is_told(
    engine: ScriptedEngine, environment: dict[str, str], file: Path
) -> None:
    engine.reply = lambda _: "th"
    code, out, error = await _complete(environment, f"{file}:2", "--model", "another")
    assert (code, out) == (1, "")
    assert "the running engine has the model 'scripted'" in error


async def test_a_line_that_is_not_there_is_told_without_asking_anybody(
    environment: dict[str, str], file: Path
) -> None:
    code, out, error = await _complete(environment, f"{file}:9:1")
    assert (code, out) == (1, "")
    assert error == f"midspan complete: {file} has no line 9; the last one is 3\n"
