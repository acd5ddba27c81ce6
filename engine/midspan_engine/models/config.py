"""Shape of a Qwen2 network, read from a Hugging Face `config.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class ModelConfigError(ValueError):
    """The folder does not describe a network that this engine can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Qwen2Config:
    """Sizes and constants of a Qwen2 decoder; field names are those of `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    tie_word_embeddings: bool
    max_position_embeddings: int

    def __post_init__(self) -> None:
        """Check that the sizes fit together.

        Raises:
            ModelConfigError: naming the field that does not fit.
        """
        for name in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"):
            if getattr(self, name) < 1:
                raise ModelConfigError(f"config.json: {name} must be at least 1")
        if self.num_key_value_heads < 1 or self.num_attention_heads % self.num_key_value_heads:
            raise ModelConfigError(
                f"config.json: {self.num_attention_heads} attention heads cannot be shared by "
                f"{self.num_key_value_heads} key/value heads"
            )
        if self.head_dim % 2:
            raise ModelConfigError("config.json: the head size must be even for rotary positions")

    @property
    def query_groups(self) -> int:
        """Query heads that share one key/value head."""
        return self.num_attention_heads // self.num_key_value_heads

    @classmethod
    def from_folder(cls, folder: Path) -> Qwen2Config:
        """Read `config.json` of a model folder.

        Raises:
            ModelConfigError: the file is missing, damaged or of another family.
        """
        path = folder / "config.json"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ModelConfigError(f"{path} is missing: is this a model folder?") from error
        except ValueError as error:
            raise ModelConfigError(f"{path} is not valid JSON: {error}") from error
        if not isinstance(raw, dict):
            raise ModelConfigError(f"{path} does not hold an object")
        return cls.from_mapping(raw)

    @classmethod
    def from_mapping(cls, raw: dict[str, Any]) -> Qwen2Config:
        """Build from the decoded `config.json`.

        Raises:
            ModelConfigError: another family, a missing field, or an option we do not implement.
        """
        _refuse_unknown_options(raw)
        rope = raw.get("rope_parameters") or {}
        try:
            heads = int(raw["num_attention_heads"])
            hidden = int(raw["hidden_size"])
            return cls(
                vocab_size=int(raw["vocab_size"]),
                hidden_size=hidden,
                intermediate_size=int(raw["intermediate_size"]),
                num_hidden_layers=int(raw["num_hidden_layers"]),
                num_attention_heads=heads,
                num_key_value_heads=int(raw.get("num_key_value_heads") or heads),
                head_dim=int(raw.get("head_dim") or hidden // heads),
                rms_norm_eps=float(raw["rms_norm_eps"]),
                rope_theta=float(raw.get("rope_theta") or rope.get("rope_theta") or 10_000.0),
                tie_word_embeddings=bool(raw.get("tie_word_embeddings", False)),
                max_position_embeddings=int(raw.get("max_position_embeddings", 32_768)),
            )
        except KeyError as error:
            raise ModelConfigError(f"config.json lacks {error}") from error
        except (TypeError, ZeroDivisionError) as error:
            raise ModelConfigError(
                f"config.json holds a value of the wrong kind: {error}"
            ) from error


def _refuse_unknown_options(raw: dict[str, Any]) -> None:
    family = raw.get("model_type")
    if family != "qwen2":
        raise ModelConfigError(f"config.json: model_type is {family!r}, only 'qwen2' is supported")
    if raw.get("hidden_act", "silu") != "silu":
        raise ModelConfigError(f"config.json: hidden_act {raw['hidden_act']!r} is not supported")
    if raw.get("use_sliding_window"):
        raise ModelConfigError("config.json: sliding-window attention is not supported")
    scaling = raw.get("rope_scaling") or raw.get("rope_parameters") or {}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind != "default":
        raise ModelConfigError(f"config.json: rotary scaling {kind!r} is not supported")
