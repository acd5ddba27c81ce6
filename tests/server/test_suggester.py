from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import Choice, Infill
from midspan_server.ignore import IgnoreRules
from midspan_server.reading import ReadingRules
from midspan_server.scheduling import Want
from midspan_server.settings import ContextSettings, Settings
from midspan_server.snapshot import DocumentSnapshot
from midspan_server.suggester import Suggester

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import Finish, InfillRequest


class FixedEngine:
    """Answers at once, always the same."""

    def __init__(self, *choices: tuple[str, float]) -> None:
        self.choices = choices
        self.finish: Finish = "line"
        self.requests: list[InfillRequest] = []

    async def infill(
        self, request: InfillRequest, _on_partial: Callable[[str], None] | None = None
    ) -> Infill | None:
        self.requests.append(request)
        choices = tuple(
            Choice(text=text, finish=self.finish, confidence=confidence, mean_logprob=-0.1)
            for text, confidence in self.choices
        )
        return Infill(id=request.id, document_version=0, choices=choices)


def _snapshot(text: str, name: str = "a.py") -> DocumentSnapshot:
    return DocumentSnapshot(f"file:///p/{name}", Path(f"/p/{name}"), 1, "python", text)


def _want(text: str, *, invoked: bool = False, name: str = "a.py") -> Want:
    return Want(snapshot=_snapshot(text, name), offset=len(text), invoked=invoked)


def _suggester(
    engine: FixedEngine,
    *opened: DocumentSnapshot,
    settings: Settings | None = None,
) -> Suggester:
    return Suggester(
        engine=lambda: engine,
        open_documents=lambda: [(snapshot, float(at)) for at, snapshot in enumerate(opened)],
        reading=ReadingRules(IgnoreRules([])),
        settings=settings or Settings(debounce_ms=0),
    )


async def _texts(suggester: Suggester, want: Want) -> list[str]:
    return [one.text for one in (await suggester.suggest(want)).suggestions]


async def test_the_source_of_a_suggestion_is_told() -> None:
    suggester = _suggester(FixedEngine(("get(1)", 0.9)))
    first = await suggester.suggest(_want("x = "))
    second = await suggester.suggest(_want("x = get"))
    assert (first.source, second.source) == ("engine", "cache")
    assert first.suggestions[0].id == second.suggestions[0].id


async def test_doubtful_suggestions_are_kept_for_a_request_by_hand() -> None:
    suggester = _suggester(FixedEngine(("get(1)", 0.1), ("all(2)", 0.8)))
    assert await _texts(suggester, _want("x = ")) == ["all(2)"]
    assert await _texts(suggester, _want("x = ", invoked=True)) == ["get(1)", "all(2)"]


async def test_new_settings_forget_what_was_suggested_before() -> None:
    engine = FixedEngine(("get(1)", 0.5))
    suggester = _suggester(engine)
    assert await _texts(suggester, _want("x = ")) == ["get(1)"]
    suggester.use(Settings(threshold=0.9, debounce_ms=0))
    assert await _texts(suggester, _want("x = ")) == []
    assert len(engine.requests) == 2


async def test_the_reason_for_nothing_is_told() -> None:
    suggester = _suggester(FixedEngine(("x", 0.9)))
    assert "never read" in str((await suggester.suggest(_want("A=", name=".env"))).reason)
    suggester.use(Settings(enabled=False))
    assert (await suggester.suggest(_want("x = "))).reason == "suggestions are off"


async def test_secrets_reach_the_model_neither_as_files_nor_as_edits() -> None:
    engine = FixedEngine(("get(1)", 0.9))
    secret = _snapshot("area_password = 'hunter2'\n" * 3, ".env")
    suggester = _suggester(engine, secret)
    suggester.changed(_snapshot("", ".env"), secret)
    await suggester.suggest(_want("area_password = 1\narea_password_hash = "))
    [request] = engine.requests
    assert "hunter2" not in str(request)


async def test_snippets_can_be_switched_off() -> None:
    engine = FixedEngine(("get(1)", 0.9))
    other = _snapshot("def area_of(width_cm, height_cm):\n    return width_cm\n", "b.py")
    # Long enough for what is chosen by the text above, of which the last lines are left out.
    text = "width_cm = height_cm = area_of(1, 2)\n" * 40 + "result = "
    await _suggester(engine, other).suggest(_want(text))
    off = Settings(debounce_ms=0, context=ContextSettings(snippets=False))
    await _suggester(engine, other, settings=off).suggest(_want(text))
    assert [len(request.snippets) for request in engine.requests] == [1, 0]


@pytest.mark.parametrize("uri", ["untitled:.env", "vscode-remote://host/p/.env"])
async def test_a_secret_that_is_no_file_here_is_not_completed(uri: str) -> None:
    engine = FixedEngine(("x", 0.9))
    secret = DocumentSnapshot(uri, None, 1, "python", "A = ")
    suggested = await _suggester(engine).suggest(Want(snapshot=secret, offset=4, invoked=True))
    assert "never read" in str(suggested.reason)
    assert engine.requests == []


async def test_a_line_that_ran_out_of_time_is_for_those_who_asked_and_never_kept() -> None:
    engine = FixedEngine(("get(", 0.9))
    engine.finish = "budget"
    suggester = _suggester(engine)
    assert await _texts(suggester, _want("x = ")) == []
    assert await _texts(suggester, _want("x = ", invoked=True)) == ["get("]
    engine.finish = "line"
    assert await _texts(suggester, _want("x = ")) == ["get("]
    assert len(engine.requests) == 3


@pytest.mark.parametrize("finish", ["length", "budget"])
async def test_a_torn_block_is_cut_back_to_whole_lines(finish: Finish) -> None:
    engine = FixedEngine(("    a = 1\n    b = fu", 0.9))
    engine.finish = finish
    assert await _texts(_suggester(engine), _want("def f():\n")) == ["    a = 1"]
    torn = FixedEngine(("    a = fu", 0.9))
    torn.finish = finish
    assert await _texts(_suggester(torn), _want("def f():\n")) == []


async def _edits_told(suggester: Suggester, engine: FixedEngine) -> bool:
    await suggester.suggest(_want("area_of = 1\nx = "))
    return "remembered" in str(engine.requests[-1])


async def test_nothing_is_recorded_while_switched_off_and_nothing_kept() -> None:
    engine = FixedEngine(("get(1)", 0.9))
    before, after = _snapshot("a\n", "b.py"), _snapshot("remembered\n", "b.py")
    suggester = _suggester(engine)
    suggester.changed(before, after)
    assert await _edits_told(suggester, engine)
    suggester.use(Settings(enabled=False))
    suggester.changed(before, after)
    suggester.use(Settings(debounce_ms=0))
    assert not await _edits_told(suggester, engine)


async def test_files_of_a_language_that_is_off_are_not_read() -> None:
    engine = FixedEngine(("get(1)", 0.9))
    text = "def width_of(area, height):\n    return remembered\n"
    other = DocumentSnapshot("file:///p/b.go", Path("/p/b.go"), 1, "go", text)
    suggester = _suggester(engine, other)
    suggester.use(Settings(languages={"go": False}, debounce_ms=0))
    suggester.changed(DocumentSnapshot(other.uri, other.path, 0, "go", ""), other)
    await suggester.suggest(_want("width_of = height = area = 1\n" * 60 + "x = "))
    assert "remembered" not in str(engine.requests)


async def test_a_reason_that_passes_is_told_apart() -> None:
    snapshot = _snapshot("x = name")
    suggested = await _suggester(FixedEngine()).suggest(
        Want(snapshot=snapshot, offset=5, invoked=False)
    )
    assert suggested.passing
