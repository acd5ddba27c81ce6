"""Training of the infilling adapter: the causal network learns again to fill in the middle.

Instruction tuning cost the default weights much of the infilling that they were trained for (74 %
in the Qwen2.5-Coder report, arXiv 2409.12186, against the 49 % measured here). The adapter acts on
all rows, so it can be merged into the weights and costs nothing when they run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from midspan_engine.training.cut_head import token_loss
from midspan_engine.training.task import LossReport, PartLoss, share_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.adapter_file import AdapterKind
    from midspan_engine.models.transformer import Transformer
    from midspan_engine.training.spans import Context, SpanSampler
    from midspan_engine.training.task import Spend

_SHORT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class InfillReport(LossReport):
    """Figures on spans of held-out packages; the loss is of a token of the text."""

    exact: float
    """Share of whole spans of up to 40 tokens whose greedy completion is the file's, EOS too."""
    text_exact: float
    """The same without EOS, as where a line break ends the completion."""
    right: float
    """Share of the text's tokens that are the most likely one, given those before them."""
    end_right: float
    """Share of spans after whose last token EOS is the most likely one."""
    spans: int


class InfillTask:
    """See `task.Task`."""

    kind: AdapterKind = "infill"
    block = 1

    def __init__(
        self, model: Transformer, sampler: SpanSampler, held_out: Sequence[Context], *, seed: int
    ) -> None:
        self.model, self.sampler, self.held_out, self.seed = model, sampler, held_out, seed
        self.head = model.head_weight

    def loss(self, adapter: Adapter, step: int, place: int, spend: Spend) -> PartLoss:
        """Loss of one middle; long ones count for less than their length."""
        context = self.sampler.draw(np.random.default_rng([self.seed, step, place]))
        hidden, targets = self._middle(adapter, context)
        count = len(targets)
        weights = torch.full((count,), count**-0.5, device=hidden.device)
        total, best = token_loss(hidden, self.head, targets, weights)
        spend("forward")
        return PartLoss(
            total=total,
            weight=float(weights.sum()),
            tokens=count,
            first_hits=int((best == targets).sum()),
            first_rows=count,
        )

    @torch.no_grad()
    def evaluate(self, adapter: Adapter) -> InfillReport:
        """Figures on held-out packages; greedy decoding is right where every token is."""
        exact, text, ends, right, losses = [], [], [], [], []
        for context in self.held_out:
            hidden, targets = self._middle(adapter, context)
            logits = self.model.head(hidden)
            hits = logits.argmax(dim=-1) == targets
            real = len(hits) - context.ends
            losses.append(
                torch.nn.functional.cross_entropy(logits[:real], targets[:real], reduction="none")
            )
            right.append(hits[:real])
            if context.ends:
                ends.append(bool(hits[-1]))
                if len(targets) <= _SHORT:
                    exact.append(bool(hits.all()))
                    text.append(bool(hits[:-1].all()))
        return InfillReport(
            exact=share_of(exact),
            text_exact=share_of(text),
            right=round(float(torch.cat(right).float().mean()), 4),
            loss=round(float(torch.cat(losses).mean()), 4),
            end_right=share_of(ends),
            spans=len(self.held_out),
        )

    def _middle(self, adapter: Adapter, context: Context) -> tuple[Tensor, Tensor]:
        """Final hidden states that predict the middle, `[tokens, hidden]`, and its ids."""
        device = self.head.device
        ids = torch.from_numpy(context.ids).to(device)
        positions = torch.arange(len(ids), device=device)
        output = self.model(ids.unsqueeze(0), positions.unsqueeze(0), adapter=adapter)
        targets = ids[context.middle_start :]
        if context.ends:
            targets = torch.cat([targets, targets.new_tensor([self.sampler.specials.end])])
        first = context.middle_start - 1
        hidden: Tensor = output.hidden[0, first : first + len(targets)]
        return hidden, targets
