"""What those who watch a canvas are shown after each pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import Infill, InfillRequest, Partial

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.engine import Engine
    from midspan_engine.protocol import Effort

    MakeEngine = Callable[..., Engine]


def watched(engine: Engine, effort: Effort, *, canvas: bool = True) -> list[Partial | Infill]:
    request = InfillRequest(
        id=7,
        session="watched",
        prefix="def load_mod",
        scope="block",
        max_tokens=24,
        effort=effort,
        stream=True,
        canvas=canvas,
    )
    answers: list[object] = []
    engine.submit("key", request, answers.append)
    while engine.step():
        pass
    return [answer for answer in answers if isinstance(answer, Partial | Infill)]


@pytest.mark.parametrize("effort", ["draft", "balanced", "verified"])
def test_committed_cells_spell_the_text_and_the_others_stand_behind_it(
    make_engine: MakeEngine, effort: Effort
) -> None:
    *partials, answer = watched(make_engine(adapter=True), effort)
    assert isinstance(answer, Infill)
    assert len(partials) == answer.stats.passes
    open_cells = 0
    for partial in partials:
        assert isinstance(partial, Partial)
        states = [cell.state for cell in partial.cells]
        committed = states.count("committed")
        assert states[:committed] == ["committed"] * committed
        assert "".join(cell.text for cell in partial.cells[:committed]).startswith(partial.text)
        assert all(0.0 <= cell.probability <= 1.0 + 1e-6 for cell in partial.cells)
        open_cells += len(states) - committed
    assert open_cells > 0
    assert all(cell.state == "committed" for cell in partials[-1].cells)  # type: ignore[union-attr]


def test_masks_show_what_the_network_would_fill_in(make_engine: MakeEngine) -> None:
    partials = watched(make_engine(adapter=True), "draft")[:-1]
    masks = [
        cell
        for partial in partials
        for cell in partial.cells  # type: ignore[union-attr]
        if cell.state == "mask"
    ]
    assert masks
    assert any(cell.probability > 0 and cell.text for cell in masks)


def test_nobody_pays_for_a_canvas_that_was_not_asked_for(make_engine: MakeEngine) -> None:
    *partials, _ = watched(make_engine(adapter=True), "draft", canvas=False)
    assert partials
    assert all(partial.cells == () for partial in partials)  # type: ignore[union-attr]
