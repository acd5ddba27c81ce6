"""What the training loop needs of the weights that it trains."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import nn

from midspan_engine.models.adapter import Adapter, load_adapter
from midspan_engine.models.adapter_file import AdapterError, AdapterInfo, read_adapter_info

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midspan_engine.training.run_files import Base, RunFiles
    from midspan_engine.training.settings import TrainSettings
    from midspan_engine.training.task import PartLoss, Report, Spend, Task

_LOG = logging.getLogger(__name__)
M = TypeVar("M", bound=nn.Module)


class Learner(Protocol[M]):
    """One kind of weights: how they begin, what they lose, how good they are, where they go."""

    @property
    def shape(self) -> Mapping[str, object]:
        """Settings that a checkpoint must share."""
        ...

    def new(self) -> M:
        """Weights that have learned nothing; the same ones each time."""
        ...

    def begin(self, weights: M) -> int:
        """Take finished weights, if some were named; the tokens that those have seen."""
        ...

    def optimizer(self, weights: M) -> torch.optim.Optimizer:
        """An optimizer of all of them; a group's `rate_share` scales the loop's learning rate."""
        ...

    def loss(self, weights: M, step: int, place: int, spend: Spend) -> PartLoss:
        """Loss of one context or batch; the same one for the same step and place."""
        ...

    def evaluate(self, weights: M) -> Report:
        """Figures on held-out packages."""
        ...

    def export(self, weights: M, tokens: int) -> None:
        """Write them as the engine reads them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterLearner:
    """An adapter on a frozen network."""

    task: Task
    settings: TrainSettings
    files: RunFiles
    base: Base

    @property
    def shape(self) -> Mapping[str, object]:
        """See `Learner`."""
        return {"rank": self.settings.rank, "alpha": self.settings.alpha}

    def new(self) -> Adapter:
        """An adapter that does nothing yet; its mask embedding is the mean of all embeddings."""
        torch.manual_seed(self.settings.seed)
        model = self.task.model
        masks = self.task.kind == "mask"
        settings = self.settings
        adapter = Adapter(model.config, rank=settings.rank, alpha=settings.alpha, masks=masks)
        if masks:
            with torch.no_grad():
                adapter.mask_embedding.copy_(model.embed_tokens.weight.float().mean(dim=0))
        return adapter.to(model.embed_tokens.weight.device)

    def begin(self, weights: Adapter) -> int:
        """See `Learner`.

        Raises:
            AdapterError: the file is damaged, for another network, or of another scale.
        """
        if self.files.initial is None:
            return 0
        found = read_adapter_info(self.files.initial)
        sha256 = found.base_sha256 if self.files.rebase else self.base.sha256
        kind = self.task.kind
        if kind == "edits" and found.kind == "infill":
            kind = found.kind  # of the same shape, and the prompt of an edit is one of a gap
        adapter, info = load_adapter(
            self.files.initial, self.task.model.config, base_sha256=sha256, kind=kind
        )
        wanted = self.settings
        same_scale = math.isclose(info.alpha / info.rank, wanted.alpha / wanted.rank)
        if info.rank > wanted.rank or not same_scale:
            raise AdapterError(
                f"{self.files.initial} has rank {info.rank} and alpha {info.alpha}; the settings "
                f"say {wanted.rank} and {wanted.alpha}: a higher rank with the same ratio will do"
            )
        _widen(weights, adapter, info.rank)
        _LOG.info("began with %s (%d tokens)", self.files.initial, info.tokens_trained)
        return info.tokens_trained

    def optimizer(self, weights: Adapter) -> torch.optim.Optimizer:
        """AdamW over all of it."""
        return torch.optim.AdamW(
            weights.parameters(),
            lr=self.settings.learning_rate,
            betas=(0.9, self.settings.beta2),
            weight_decay=self.settings.weight_decay,
            fused=True,
        )

    def loss(self, weights: Adapter, step: int, place: int, spend: Spend) -> PartLoss:
        """See `Learner`."""
        return self.task.loss(weights, step, place, spend)

    def evaluate(self, weights: Adapter) -> Report:
        """See `Learner`."""
        return self.task.evaluate(weights)

    def export(self, weights: Adapter, tokens: int) -> None:
        """See `Learner`."""
        info = AdapterInfo(
            kind=self.task.kind,
            base_sha256=self.base.sha256,
            base_name=self.base.name,
            rank=self.settings.rank,
            alpha=self.settings.alpha,
            block=self.task.block,
            tokens_trained=tokens,
        )
        weights.save(self.files.export, info)


@torch.no_grad()
def _widen(wide: Adapter, narrow: Adapter, rank: int) -> None:
    """Take weights of a lower rank; what `wide` has more is random in A and nil in B."""
    values = wide.state_dict()
    for name, value in narrow.state_dict().items():
        if name.endswith("lora_a"):
            values[name][:rank] = value
        elif name.endswith("lora_b"):
            values[name][:, :rank] = value
        else:
            values[name].copy_(value)
