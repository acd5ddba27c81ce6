"""Loss of the block rows of one context: the file's own tokens and the frozen base's opinion.

The context runs once without gradients. Its keys and values serve all blocks, and its final hidden
states give the base's own distribution for every predicted position (self-distillation) for the
price of a head. The head is cut to the frequent tokens of the corpus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from midspan_engine.training.blocks import MASKED, NO_TEACHER
from midspan_engine.training.cut_head import SoftCrossEntropy
from midspan_engine.training.task import PartLoss

if TYPE_CHECKING:
    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.transformer import KeyValues, Transformer
    from midspan_engine.training.blocks import BlockPlan


_TEACHER_TOKENS = 64
# Rows of different groups never meet in attention, which is what makes groups worth their padding.
_GROUPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """What the block rows are trained towards."""

    distill: float = 0.7
    """Share of the base's distribution; the rest is the file's own token."""
    temperature: float = 1.0
    """Of the base's distribution; below 1 sharpens it towards its greedy choice."""
    off_path_weight: float = 0.35
    """Of rows behind a token that the base would not have chosen: greedy decoding never gets
    there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextState:
    """What the frozen pass over one context leaves behind."""

    keys_values: tuple[KeyValues, ...]
    hidden: Tensor
    """After the final norm, `[tokens, hidden]`."""


class Objective:
    """Runs contexts and blocks through one frozen model."""

    def __init__(self, model: Transformer, vocabulary: np.ndarray, settings: LossSettings) -> None:
        self.model = model
        self.settings = settings
        self.device = model.embed_tokens.weight.device
        kept = torch.from_numpy(vocabulary).to(self.device)
        self.head = model.head_weight[kept].contiguous()
        self.index = torch.full((model.config.vocab_size,), -1, device=self.device)
        self.index[kept] = torch.arange(len(vocabulary), device=self.device)

    @torch.no_grad()
    def context(self, ids: np.ndarray) -> ContextState:
        """Frozen causal pass over ids `[tokens]`."""
        tokens = torch.from_numpy(ids).to(self.device).unsqueeze(0)
        positions = torch.arange(len(ids), device=self.device).unsqueeze(0)
        output = self.model(tokens, positions)
        return ContextState(keys_values=output.keys_values, hidden=output.hidden[0])

    def block_hidden(self, adapter: Adapter, state: ContextState, plan: BlockPlan) -> Tensor:
        """Final hidden states of the block rows, `[rows, hidden]`."""
        groups = plan.groups(_GROUPS)
        inputs = torch.from_numpy(np.append(plan.inputs, MASKED)[groups]).to(self.device)
        masked = (inputs == MASKED).unsqueeze(-1)
        tokens = self.model.embed(inputs.clamp(min=0)).float()
        embedded = torch.where(masked, adapter.mask_embedding, tokens)
        positions = torch.from_numpy(np.append(plan.positions, 0)[groups]).to(self.device)
        mask = torch.from_numpy(plan.attention(groups, len(state.hidden))).to(self.device)
        past = [
            (keys.expand(len(groups), -1, -1, -1), values.expand(len(groups), -1, -1, -1))
            for keys, values in state.keys_values
        ]
        output = self.model(embedded, positions, mask=mask, past=past, adapter=adapter)
        flat = np.flatnonzero(groups.ravel() < len(plan.inputs))
        hidden: Tensor = output.hidden.flatten(0, 1)[torch.from_numpy(flat).to(self.device)]
        return hidden

    def loss(
        self, adapter: Adapter, ids: np.ndarray, plan: BlockPlan, state: ContextState
    ) -> PartLoss:
        """Loss of one context; rows of weight 0 cost nothing and teach nothing."""
        hidden = self.block_hidden(adapter, state, plan)
        chosen = np.flatnonzero(plan.weights > 0)
        rows = torch.from_numpy(chosen).to(self.device)
        teacher, agrees = self._teacher(ids, plan, chosen, state)
        target = self.index[torch.from_numpy(plan.targets[chosen]).to(self.device)]
        weights = torch.from_numpy(plan.weights[chosen]).to(self.device)
        share = torch.where(teacher.present, self.settings.distill, 0.0)
        hard = torch.where(target >= 0, 1 - share, 0.0).unsqueeze(1)
        places = torch.cat([teacher.ids, target.clamp(min=0).unsqueeze(1)], dim=1)
        masses = torch.cat([teacher.masses * share.unsqueeze(1), hard], dim=1)
        on_path = torch.where(agrees, 1.0, self.settings.off_path_weight)
        weights = weights * on_path
        first = torch.from_numpy(plan.depths[chosen] == 0).to(self.device)
        total, best = SoftCrossEntropy.apply(hidden[rows], self.head, places, masses, weights)  # type: ignore[no-untyped-call]
        hits = (best == target) & first
        return PartLoss(
            total=total,
            weight=float(weights.sum()),
            tokens=len(chosen),
            first_hits=int(hits.sum()),
            first_rows=int(first.sum()),
        )

    def _cut_head(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden.to(self.head.dtype), self.head).float()

    @torch.no_grad()
    def _teacher(
        self, ids: np.ndarray, plan: BlockPlan, chosen: np.ndarray, state: ContextState
    ) -> tuple[_Teacher, Tensor]:
        """The base's distribution for the chosen rows, and whether greedy decoding gets there."""
        wanted, seen = plan.teacher_rows[chosen], plan.seen[chosen]
        # Tokens seen .. last lie between the last known token and the one predicted.
        last = np.minimum(seen + plan.depths[chosen], len(ids) - 1)
        needed = _union(seen - 1, last)
        logits = self._cut_head(state.hidden[torch.from_numpy(needed).to(self.device)])
        following = np.append(ids[1:], -1)[needed]
        top = logits.argmax(dim=-1)
        match = (top == self.index[torch.from_numpy(following.clip(min=0))]).cpu().numpy()
        place = np.zeros(len(ids), dtype=np.int64)
        place[needed] = np.arange(len(needed))
        missed = np.zeros(len(ids) + 1, dtype=np.int64)
        missed[needed + 1] = ~match
        missed = np.cumsum(missed)
        agrees = missed[last] == missed[seen - 1]
        present = torch.from_numpy(wanted != NO_TEACHER).to(self.device)
        picked = torch.from_numpy(place[np.maximum(wanted, 0)]).to(self.device)
        best, ids_best = (logits / self.settings.temperature).topk(_TEACHER_TOKENS, dim=-1)
        masses = best.softmax(dim=-1)[picked] * present.unsqueeze(-1)
        teacher = _Teacher(ids=ids_best[picked], masses=masses, present=present)
        return teacher, torch.from_numpy(agrees).to(self.device)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Teacher:
    ids: Tensor
    """Most likely tokens, `[rows, 64]`, as indices into the kept vocabulary."""
    masses: Tensor
    """Their probabilities, renormalised, `[rows, 64]`; zero where there is no teacher."""
    present: Tensor
    """Bool `[rows]`."""


def _union(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Sorted indices that lie in any of the closed ranges."""
    covered = np.zeros(int(last.max()) + 2, dtype=np.int64)
    np.add.at(covered, first, 1)
    np.add.at(covered, last + 1, -1)
    return np.flatnonzero(np.cumsum(covered) > 0)
