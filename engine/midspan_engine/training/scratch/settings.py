"""What a training from nothing depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from midspan_engine.models.config import TransformerConfig
from midspan_engine.training.settings import LoopSettings

Objective = Literal["ar", "diffusion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Sizes; the defaults make 13 million parameters, of which 2.6 million are embeddings."""

    vocabulary: int = 8_192
    hidden: int = 320
    layers: int = 8
    heads: int = 5
    key_value_heads: int = 5
    mlp: int = 896
    rope_theta: float = 10_000.0
    longest: int = 1_024
    """Positions that the network is meant for."""

    def config(self) -> TransformerConfig:
        """The network of these sizes."""
        return TransformerConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.key_value_heads,
            head_dim=self.hidden // self.heads,
            rms_norm_eps=1e-6,
            rope_theta=self.rope_theta,
            tie_word_embeddings=True,
            max_position_embeddings=self.longest,
            qkv_bias=False,
            qk_norm=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """How text becomes rows; both objectives see as many tokens."""

    rows: int = 16
    tokens: int = 512
    """Of one row."""
    infill_share: float = 0.6
    """Of rows: in FIM order for one objective, with spans masked for the other."""
    most_deletes: int = 16
    """Masks behind a span that stand for nothing; half of the spans have some."""
    merge_share: float = 0.5
    """Of spans: some neighbouring masks become one that has to expand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchSettings(LoopSettings):
    """One run; the defaults trained what ships."""

    steps: int = 200_000
    learning_rate: float = 2.0e-3
    warmup_steps: int = 100
    weight_decay: float = 0.1
    beta2: float = 0.98
    average: float = 0.998
    decay_share: float = 0.3
    evaluation_rows: int = 64
    network: NetworkSettings = field(default_factory=NetworkSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
