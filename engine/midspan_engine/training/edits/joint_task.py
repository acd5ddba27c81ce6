"""Next edits and infilling trained into one adapter, so that one set of weights does both.

An adapter of its own for next edits would cost either a second copy of the weights in memory or
hundreds of small products in every pass. One that is merged costs nothing; a share of plain spans
keeps it from forgetting how to infill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.adapter_file import AdapterKind
    from midspan_engine.models.qwen2 import Qwen2Model
    from midspan_engine.training.edits.edit_task import EditReport, EditTask
    from midspan_engine.training.infill_task import InfillReport, InfillTask
    from midspan_engine.training.task import PartLoss, Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class JointReport:
    """Figures of both, on packages held out from both."""

    edit: EditReport
    infill: InfillReport

    @property
    def score(self) -> float:
        """Lower losses are better."""
        return self.edit.score + self.infill.score

    def as_json(self) -> dict[str, object]:
        """For the log; what infilling reports begins with `infill_`."""
        infill = {f"infill_{name}": value for name, value in self.infill.as_json().items()}
        return {**self.edit.as_json(), **infill}


class JointTask:
    """See `task.Task`; the first `spans` contexts of a step are plain spans, the others edits."""

    kind: AdapterKind = "infill"
    block = 1

    def __init__(self, edit: EditTask, infill: InfillTask, *, spans: int) -> None:
        self.edit, self.infill, self.spans = edit, infill, spans

    @property
    def model(self) -> Qwen2Model:
        """The frozen network, which both share."""
        return self.edit.model

    def loss(self, adapter: Adapter, step: int, place: int, spend: Spend) -> PartLoss:
        """Loss of one context."""
        task = self.infill if place < self.spans else self.edit
        return task.loss(adapter, step, place, spend)

    def evaluate(self, adapter: Adapter) -> JointReport:
        """Figures on held-out packages."""
        return JointReport(edit=self.edit.evaluate(adapter), infill=self.infill.evaluate(adapter))
