"""Training of the diffusion adapter: blocks of masks laid over contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.training.blocks import plan_blocks
from midspan_engine.training.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.adapter_file import AdapterKind
    from midspan_engine.models.transformer import Transformer
    from midspan_engine.training.blocks import BlockSettings
    from midspan_engine.training.evaluation import Evaluation
    from midspan_engine.training.objective import Objective
    from midspan_engine.training.rollout import ContextSource
    from midspan_engine.training.spans import Context
    from midspan_engine.training.task import PartLoss, Spend


class BlockTask:
    """See `task.Task`."""

    kind: AdapterKind = "mask"

    def __init__(
        self,
        *,
        objective: Objective,
        source: ContextSource,
        blocks: BlockSettings,
        held_out: Sequence[Context],
        greedy: Sequence[Context],
    ) -> None:
        self.objective, self.source, self.blocks = objective, source, blocks
        self.held_out, self.greedy = held_out, greedy
        self.end = source.sampler.specials.end

    @property
    def model(self) -> Transformer:
        """The frozen network."""
        return self.objective.model

    @property
    def block(self) -> int:
        """Longest block, in tokens."""
        return max(self.blocks.lengths)

    def loss(self, adapter: Adapter, step: int, place: int, spend: Spend) -> PartLoss:
        """Loss of the blocks over one context."""
        ready = self.source.take(step, place)
        spend("context")
        plan = plan_blocks(ready.context, self.end, ready.rng, self.blocks)
        part = self.objective.loss(adapter, ready.context.ids, plan, ready.state)
        spend("forward")
        return part

    def evaluate(self, adapter: Adapter) -> Evaluation:
        """Figures on held-out packages."""
        return evaluate(self.objective, adapter, self.held_out, self.greedy, self.end)
