"""Engines on a canvas model that says what a test wants, and on a tiny random one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.canvas.fitted import Fitted
from midspan_engine.canvas.solver import CanvasSolver
from midspan_engine.engine import Engine
from midspan_engine.protocol import InfillRequest
from midspan_engine.runtime.canvas_rows import CanvasScores
from midspan_engine.runtime.rows import PassCount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from midspan_engine.canvas.settings import CanvasConfig
    from midspan_engine.models.family import ModelFamily
    from midspan_engine.runtime.canvas_rows import CanvasPass, CanvasRuntime
    from midspan_engine.tokenizer import Tokenizer

    Script = Callable[[list[int], int], dict[int, float]]

SURE = 14.0


class ScriptedCanvas:
    """A network whose logits a test writes: `(ids of the cells, place) -> {token: logit}`.

    Attributes:
        lead: Rows of a slot before its first cell.
        seen: Every pass, as it was asked for.
    """

    def __init__(self, family: ModelFamily, script: Script) -> None:
        self.name, self.family, self.script = "scripted", family, script
        self.count = PassCount()
        self.lead = int(family.shift)
        self.seen: list[CanvasPass] = []

    def settle(self) -> None:
        """Nothing to give back."""

    def forward(self, groups: Sequence[CanvasPass]) -> list[CanvasScores]:
        self.seen += groups
        self.count.add(sum(one.rows for one in groups))
        return [self._one(one) for one in groups]

    def _one(self, one: CanvasPass) -> CanvasScores:
        if one.refresh:
            one.context.layers = [(None, None)]
            one.context.span = len(one.slots[0])
        assert one.context.layers
        pairs = zip(one.slots, one.wanted, strict=True)
        return CanvasScores(logits=tuple(self._slot(slot, wanted) for slot, wanted in pairs))

    def _slot(self, slot: NDArray[np.int32], wanted: NDArray[np.int32]) -> NDArray[np.float32]:
        ids = slot[self.lead :].tolist()
        logits = np.zeros((len(wanted), self.family.config.vocab_size), np.float32)
        for row, place in zip(logits, wanted, strict=True):
            at = int(place) - self.lead + self.family.shift
            for token, logit in self.script(ids, at).items():
                row[token] = logit
        return logits


@pytest.fixture
def scripted(canvas_family: ModelFamily) -> Callable[..., ScriptedCanvas]:
    """Makes a network of a script, of our own family unless another one is given."""
    return lambda script, family=canvas_family: ScriptedCanvas(family, script)


@pytest.fixture
def saying(canvas_tokenizer: Tokenizer, canvas_family: ModelFamily) -> Callable[..., Script]:
    """Makes a script that fills in a text, and grows or shrinks the span to its length."""
    marks = canvas_family.marks
    assert marks is not None

    def make(text: str, *, likely: float = SURE) -> Script:
        target = canvas_tokenizer.encode(text)

        def script(ids: list[int], place: int) -> dict[int, float]:
            if place >= len(target):
                return {marks.delete or 0: likely}
            if place == len(ids) - 1 and len(ids) < len(target):
                return {marks.expand or 0: likely}
            return {target[place]: likely}

        return script

    return make


@pytest.fixture
def canvas_engine(canvas_tokenizer: Tokenizer) -> Callable[..., Engine]:
    """Makes an engine of a canvas runtime."""

    def make(
        runtime: CanvasRuntime,
        config: CanvasConfig | None = None,
        usual: dict[int, float] | None = None,
    ) -> Engine:
        solver = CanvasSolver(runtime, canvas_tokenizer, Fitted().calibration, config, usual)
        return Engine(runtime, canvas_tokenizer, solver=solver)

    return make


@pytest.fixture
def ask() -> Callable[..., InfillRequest]:
    """Makes a request."""

    def make(prefix: str = "x = ", suffix: str = "\n", **changes: object) -> InfillRequest:
        values: dict[str, object] = {"id": 1, "session": "s", "prefix": prefix, "suffix": suffix}
        return InfillRequest(**{**values, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def canvas_fim(canvas_tokenizer: Tokenizer) -> tuple[int, int, int]:
    """Marks of a prompt whose span comes last."""
    special = canvas_tokenizer.special
    return special.fim_prefix, special.fim_suffix, special.fim_middle
