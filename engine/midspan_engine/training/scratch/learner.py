"""Trains one of the twins with the loop that trains everything else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from midspan_engine.models.config import ModelConfigError
from midspan_engine.models.family import load_transformer, read_family
from midspan_engine.models.transformer import Transformer
from midspan_engine.training.scratch.canvas_rows import IGNORED
from midspan_engine.training.task import PartLoss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from midspan_engine.training.run_files import RunFiles
    from midspan_engine.training.scratch.batches import Batch, BatchSource
    from midspan_engine.training.scratch.settings import Objective, ScratchSettings
    from midspan_engine.training.task import Spend

_DEVIATION = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchReport:
    """Figures on held-out packages."""

    loss: float
    """Of the training objective, nats a supervised token."""
    right: float
    """Share of supervised tokens that are the most likely one."""

    @property
    def score(self) -> float:
        """Lower loss is better."""
        return -self.loss

    def as_json(self) -> dict[str, object]:
        """For the log."""
        return asdict(self)


class ScratchLearner:
    """See `learner.Learner`.

    Args:
        settings: Sizes and rates.
        objective: Which twin.
        source: Batches to learn from.
        held_out: Batches that are only measured.
        files: Where the run lives.
    """

    def __init__(
        self,
        *,
        settings: ScratchSettings,
        objective: Objective,
        source: BatchSource,
        held_out: list[Batch],
        files: RunFiles,
    ) -> None:
        self.settings, self.objective, self.source = settings, objective, source
        self.held_out, self.files = held_out, files

    @property
    def shape(self) -> Mapping[str, object]:
        """See `Learner`."""
        return {"network": asdict(self.settings.network)}

    def new(self) -> Transformer:
        """Normal weights; what writes to the residual stream is smaller by its depth (GPT-2)."""
        torch.manual_seed(self.settings.seed)
        model = Transformer(self.settings.network.config())
        deep = _DEVIATION / (2 * self.settings.network.layers) ** 0.5
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                writes = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=deep if writes else _DEVIATION)
        return model

    def begin(self, weights: Transformer) -> int:
        """From nothing, or with the weights of another run of the same size.

        Raises:
            ModelConfigError: those cannot be read or are of another size.
        """
        if self.files.initial is None:
            return 0
        family = read_family(self.files.initial)
        if family.config != weights.config:
            raise ModelConfigError(f"{self.files.initial} holds a network of another size")
        found = load_transformer(self.files.initial, family, dtype=torch.float32)
        weights.load_state_dict(found.state_dict())
        return 0

    def optimizer(self, weights: Transformer) -> torch.optim.Optimizer:
        """Muon for the layers' matrices, AdamW for embeddings and norms."""
        matrices = [p for n, p in weights.named_parameters() if p.dim() > 1 and "embed" not in n]
        others = [p for n, p in weights.named_parameters() if p.dim() == 1 or "embed" in n]
        settings = self.settings
        return PairedOptimizer(
            torch.optim.Muon(
                matrices,
                lr=settings.learning_rate,
                weight_decay=settings.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(
                others,
                lr=settings.learning_rate,
                betas=(0.9, settings.beta2),
                weight_decay=0.0,
                fused=True,
            ),
        )

    def loss(self, weights: Transformer, step: int, place: int, spend: Spend) -> PartLoss:
        """Loss of one batch."""
        batch = self.source.draw(np.random.default_rng([self.settings.seed, step, place]))
        spend("data")
        part = self._part(weights, batch)
        spend("forward")
        return part

    @torch.no_grad()
    def evaluate(self, weights: Transformer) -> ScratchReport:
        """Loss on the held-out batches."""
        parts = [self._part(weights, batch) for batch in self.held_out]
        weight = sum(part.weight for part in parts)
        tokens = sum(part.tokens for part in parts)
        return ScratchReport(
            loss=round(sum(float(part.total) for part in parts) / weight, 4),
            right=round(sum(part.first_hits for part in parts) / tokens, 4),
        )

    def export(self, weights: Transformer, tokens: int) -> None:
        """A folder as of Hugging Face, float16, beside the run's tokenizer."""
        folder = self.files.export
        folder.mkdir(parents=True, exist_ok=True)
        values = {f"model.{n}": v.half().contiguous() for n, v in weights.state_dict().items()}
        save_file(values, folder / "model.safetensors", metadata={"tokens": str(tokens)})
        config = asdict(self.settings.network.config())
        config |= {"model_type": "midspan-nano", "objective": self.objective, "tokens": tokens}
        (folder / "config.json").write_text(json.dumps(config, indent=2), "utf-8")

    def _part(self, weights: Transformer, batch: Batch) -> PartLoss:
        asked = batch.targets != IGNORED
        targets, scale = batch.targets[asked], batch.weights[asked]
        logits = self._logits(weights, batch.inputs, asked)
        losses = functional.cross_entropy(logits, targets, reduction="none")
        hits = int((logits.detach().argmax(dim=-1) == targets).sum())
        return PartLoss(
            total=(losses * scale).sum(),
            weight=float(scale.sum()),
            tokens=len(targets),
            first_hits=hits,
            first_rows=len(targets),
        )

    def _logits(self, weights: Transformer, inputs: Tensor, asked: Tensor) -> Tensor:
        """fp32 `[asked, vocab]`."""
        positions = torch.arange(inputs.shape[1]).expand_as(inputs)
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16):
            output = weights(inputs, positions, causal=self.objective == "ar")
            return weights.head(output.hidden[asked])


class PairedOptimizer(torch.optim.Optimizer):
    """Two optimizers that step together."""

    def __init__(self, first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> None:
        self.pair = (first, second)
        self.param_groups = [*first.param_groups, *second.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of both."""
        assert closure is None
        for one in self.pair:
            one.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of both."""
        for one in self.pair:
            one.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Both states."""
        return {"pair": [one.state_dict() for one in self.pair]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Both states."""
        for one, state in zip(self.pair, state_dict["pair"], strict=True):
            one.load_state_dict(state)
        self.param_groups = [group for one in self.pair for group in one.param_groups]
