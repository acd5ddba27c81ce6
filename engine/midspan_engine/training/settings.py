"""Everything a training run depends on; read from a TOML file and kept in each checkpoint."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, is_dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from midspan_engine.training.blocks import BlockSettings
from midspan_engine.training.edits.targets import EditSettings
from midspan_engine.training.objective import LossSettings
from midspan_engine.training.rollout import RolloutSettings
from midspan_engine.training.spans import SpanLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SettingsError(ValueError):
    """The settings file does not fit; the message names the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """What the training loop itself depends on."""

    seed: int = 1
    contexts_per_step: int = 1
    steps: int = 30_000
    learning_rate: float = 4.0e-4
    warmup_steps: int = 100
    decay_share: float = 0.2
    """Of the run, over which the rate falls linearly to a twentieth at its end."""
    clip: float = 1.0
    beta2: float = 0.99
    weight_decay: float = 0.0
    average: float = 0.995
    """Of the running mean of the weights, which is what is evaluated and exported."""
    spike_factor: float = 8.0
    """A gradient this many times its running mean is dropped."""
    checkpoint_every_s: float = 240.0
    evaluate_every_s: float = 1_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings(LoopSettings):
    """One run of an adapter; the defaults trained the diffusion adapter that ships."""

    rank: int = 32
    alpha: float = 64.0
    vocabulary: int = 16_384
    """Most frequent tokens that the training head keeps."""
    evaluation_contexts: int = 40
    greedy_contexts: int = 24
    limits: SpanLimits = field(default_factory=SpanLimits)
    blocks: BlockSettings = field(default_factory=BlockSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    edit: EditSettings = field(default_factory=EditSettings)


S = TypeVar("S", bound=LoopSettings)


def infill_settings() -> TrainSettings:
    """Defaults for the infilling adapter, which trained the one that ships."""
    return TrainSettings(
        rank=16,
        alpha=32.0,
        contexts_per_step=4,
        steps=10_000,
        learning_rate=2.0e-4,
        warmup_steps=30,
        average=0.98,
        evaluate_every_s=1_200.0,
        evaluation_contexts=240,
        limits=SpanLimits(middle=96, no_suffix_share=0.05),
    )


def edit_settings() -> TrainSettings:
    """Defaults for the adapter for next edits."""
    return TrainSettings(
        rank=32,
        alpha=64.0,
        contexts_per_step=4,
        steps=10_000,
        learning_rate=2.0e-4,
        warmup_steps=30,
        average=0.98,
        evaluate_every_s=1_800.0,
        evaluation_contexts=120,
    )


def read_settings(path: Path | None, defaults: S) -> S:
    """Settings from a TOML file, where they differ from `defaults`.

    Raises:
        SettingsError: unreadable file, unknown key or wrong kind of value.
    """
    if path is None:
        return defaults
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    return settings_from(raw, str(path), defaults)


def settings_from(raw: object, origin: str, defaults: S) -> S:
    """Settings from decoded values, where they differ from `defaults`.

    Raises:
        SettingsError: unknown key or wrong kind of value.
    """
    for key in _unknown_keys(raw, defaults):
        raise SettingsError(f"{origin}: unknown key {key!r}")
    try:
        return msgspec.convert(_over(msgspec.to_builtins(defaults), raw), type(defaults))
    except msgspec.ValidationError as error:
        raise SettingsError(f"{origin}: {error}") from error


def _over(below: object, above: object) -> object:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}


def _unknown_keys(raw: object, known: object) -> Iterator[str]:
    """Keys that msgspec would pass over in silence."""
    if not (isinstance(raw, dict) and is_dataclass(known)):
        return
    for key, value in raw.items():
        if hasattr(known, key):
            yield from _unknown_keys(value, getattr(known, key))
        else:
            yield str(key)
