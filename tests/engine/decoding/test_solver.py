"""The engine asks its solver for tasks, whatever network is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.decoding.infill import InfillTask
from midspan_engine.decoding.rewrite import RewriteTask
from midspan_engine.decoding.solver import BlockSolver
from midspan_engine.engine import Engine
from midspan_engine.protocol import (
    EditRequest,
    InfillRequest,
    LikelihoodRequest,
    Passage,
    RequestRejected,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.decoding.solver import OnPartial
    from midspan_engine.decoding.task import Task
    from midspan_engine.runtime.rows import Runtime
    from midspan_engine.tokenizer import Tokenizer

    MakeEngine = Callable[..., Engine]

INFILL = InfillRequest(id=1, session="s", prefix="x = ", max_tokens=3)
EDIT = EditRequest(id=2, session="e", region="x = 1\n", max_tokens=8)
LIKELIHOOD = LikelihoodRequest(id=3, session="e", passages=(Passage(path="a.py", text="x = 1\n"),))


class Refusing:
    """A solver of a network that can do nothing."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def infill_task(
        self, request: InfillRequest, on_partial: OnPartial, arrived: float | None
    ) -> Task:
        raise RequestRejected("failed", f"no infilling ({request.id}, {on_partial}, {arrived})")

    def edit_task(self, request: EditRequest, arrived: float | None) -> Task:
        raise RequestRejected("failed", f"no edits ({request.id}, {arrived})")

    def likelihood_task(self, request: LikelihoodRequest, arrived: float | None) -> Task:
        raise RequestRejected("failed", f"no likelihoods ({request.id}, {arrived})")

    def forget(self, prefix: str) -> None:
        self.forgotten.append(prefix)


def test_what_a_solver_refuses_is_answered(scripted: Runtime, tiny_tokenizer: Tokenizer) -> None:
    solver = Refusing()
    engine = Engine(scripted, tiny_tokenizer, solver=solver)
    with pytest.raises(RequestRejected, match="no infilling"):
        engine.infill(INFILL)
    with pytest.raises(RequestRejected, match="no edits"):
        engine.edit(EDIT)
    with pytest.raises(RequestRejected, match="no likelihoods"):
        engine.likelihoods(LIKELIHOOD)
    engine.cancel_client(7)
    assert solver.forgotten == ["7:"]
    assert not engine.step()
    assert (engine.pool, engine.rewriting, engine.has_adapter) == (None, None, False)


def test_a_network_of_blocks_is_the_usual_one(make_engine: MakeEngine) -> None:
    engine = make_engine()
    solver = engine.solver
    assert isinstance(solver, BlockSolver)
    assert engine.pool is solver.runtime.pool
    assert engine.sessions is solver.sessions
    assert isinstance(solver.infill_task(INFILL, lambda _partial: None, None), InfillTask)
    assert isinstance(solver.edit_task(EDIT, None), RewriteTask)


def test_edits_have_sessions_of_their_own_once_their_network_is_there(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine()
    solver = engine.solver
    assert isinstance(solver, BlockSolver)
    solver.edit_task(EDIT, None)
    assert len(solver.sessions) == 1
    solver.use_for_edits(solver.runtime.pool)
    assert solver.edit_sessions is not None
    solver.edit_task(EDIT, None)
    assert len(solver.edit_sessions) == 1
    solver.forget("")
    assert len(solver.sessions) == len(solver.edit_sessions) == 0


def test_a_region_that_is_too_large_is_refused(make_engine: MakeEngine) -> None:
    with pytest.raises(RequestRejected) as refused:
        make_engine().solver.edit_task(
            EditRequest(id=2, session="e", region="x = 1\n" * 5000), None
        )
    assert refused.value.code == "too_large"
