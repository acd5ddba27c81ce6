from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import Choice, DecodeStats, EngineUnavailable, Infill, InfillRequest
from midspan_server.one_shot import Wish, complete
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable

LINE = "def area(width, height):\n    return wid"
BODY = "class Shape:\n    def area(self):\n        "


class _Engine:
    """Answers every request with the same texts, or not at all."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.requests: list[InfillRequest] = []

    async def infill(
        self,
        request: InfillRequest,
        on_partial: Callable[[str], None] | None = None,  # noqa: ARG002
    ) -> Infill | None:
        self.requests.append(request)
        choices = tuple(
            Choice(text=text, finish="line", confidence=0.5, mean_logprob=-0.5)
            for text in self.texts
        )
        stats = DecodeStats(passes=3, tokens=5)
        return Infill(id=request.id, document_version=0, choices=choices, stats=stats)


class _LostEngine(_Engine):
    async def infill(
        self,
        request: InfillRequest,  # noqa: ARG002
        on_partial: Callable[[str], None] | None = None,  # noqa: ARG002
    ) -> Infill | None:
        return None


def _python(text: str) -> DocumentSnapshot:
    return DocumentSnapshot(uri="untitled:it", path=None, version=0, language="python", text=text)


async def test_the_engine_is_asked_as_an_editor_asks_by_hand() -> None:
    engine = _Engine("th * height")
    completed = await complete(engine, _python(LINE), len(LINE), Wish())
    [request] = engine.requests
    assert (request.prefix, request.suffix) == (LINE, "")
    assert (request.scope, request.effort, request.n) == ("line", "verified", 1)
    assert completed.texts == ("th * height",)
    assert completed.stats == DecodeStats(passes=3, tokens=5)


async def test_an_empty_body_is_a_block_unless_a_line_is_wished() -> None:
    engine = _Engine("return 1")
    await complete(engine, _python(BODY), len(BODY), Wish())
    await complete(engine, _python(BODY), len(BODY), Wish(scope="line"))
    by_rule, wished = engine.requests
    assert (by_rule.scope, by_rule.block_indent) == ("block", 5)
    assert wished.scope == "line"


async def test_a_wished_block_ends_where_the_cursors_line_would() -> None:
    engine = _Engine("th")
    completed = await complete(engine, _python(LINE), len(LINE), Wish(scope="block"))
    [request] = engine.requests
    assert (request.scope, request.block_indent) == ("block", 4)
    assert completed.scope.scope == "block"


async def test_wishes_reach_the_engine() -> None:
    engine = _Engine("th")
    wish = Wish(effort="draft", n=3, max_tokens=7)
    await complete(engine, _python(LINE), len(LINE), wish)
    [request] = engine.requests
    assert (request.effort, request.n, request.max_tokens) == ("draft", 3, 7)


async def test_what_the_filters_drop_or_make_equal_is_not_returned() -> None:
    engine = _Engine("th * height  ", "th * height", "   ")
    completed = await complete(engine, _python(LINE), len(LINE), Wish(n=3))
    assert completed.texts == ("th * height",)
    assert [choice.text for choice in completed.choices] == ["th * height  "]


async def test_an_engine_that_goes_away_is_an_error() -> None:
    with pytest.raises(EngineUnavailable, match="went away"):
        await complete(_LostEngine(), _python(LINE), len(LINE), Wish())
