"""Shape of a transformer, read from a Hugging Face `config.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midspan_engine.models.families import FAMILIES
from midspan_engine.protocol import MidspanError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from midspan_engine.models.family_spec import FamilySpec

_LARGEST = 1 << 31
_COUNTS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
)


class ModelConfigError(MidspanError, ValueError):
    """The folder does not describe a network that this engine can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """Sizes and constants of a network; field names are those of `config.json`.

    Attributes:
        qkv_bias: Whether q, k and v have biases, as in Qwen2.
        qk_norm: Whether queries and keys are normed by head, as in Qwen3.
    """

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
    qkv_bias: bool = True
    qk_norm: bool = False

    def __post_init__(self) -> None:
        """Check that the sizes fit together.

        Raises:
            ModelConfigError: naming the field that does not fit.
        """
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ModelConfigError(f"config.json: {name} must be at least 1")
        if self.num_attention_heads % self.num_key_value_heads:
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

    @property
    def parameters(self) -> int:
        """How many numbers the weights hold."""
        hidden, head = self.hidden_size, self.head_dim
        width, narrow = self.num_attention_heads * head, self.num_key_value_heads * head
        layer = 2 * hidden * (width + narrow) + 3 * hidden * self.intermediate_size + 2 * hidden
        layer += (width + 2 * narrow) * self.qkv_bias + 2 * head * self.qk_norm
        embeddings = self.vocab_size * hidden * (1 if self.tie_word_embeddings else 2)
        return self.num_hidden_layers * layer + embeddings + hidden

    @classmethod
    def from_folder(cls, folder: Path) -> TransformerConfig:
        """Read `config.json` of a model folder.

        Raises:
            ModelConfigError: the file is missing, damaged or of no family that we know.
        """
        return cls.from_mapping(read_config(folder))

    @classmethod
    def from_mapping(cls, raw: dict[str, Any]) -> TransformerConfig:
        """Build from the decoded `config.json`.

        Raises:
            ModelConfigError: no known family, a missing field, or an option we do not implement.
        """
        return cls.of_family(raw, matching_families(raw)[-1])

    @classmethod
    def of_family(cls, raw: dict[str, Any], spec: FamilySpec) -> TransformerConfig:
        """Build from the decoded `config.json` of a family.

        Raises:
            ModelConfigError: a missing field, or an option we do not implement.
        """
        _refuse_unknown_options(raw, spec)
        sizes = _Sizes(raw, spec)
        heads, hidden = sizes.count("num_attention_heads"), sizes.count("hidden_size")
        return cls(
            vocab_size=sizes.count("vocab_size"),
            hidden_size=hidden,
            intermediate_size=sizes.count("intermediate_size"),
            num_hidden_layers=sizes.count("num_hidden_layers"),
            num_attention_heads=heads,
            num_key_value_heads=sizes.count("num_key_value_heads", heads),
            head_dim=sizes.count("head_dim", hidden // heads),
            rms_norm_eps=sizes.real("rms_norm_eps"),
            rope_theta=sizes.real("rope_theta", _rope(raw).get("rope_theta", 10_000.0)),
            tie_word_embeddings=sizes.flag("tie_word_embeddings"),
            max_position_embeddings=sizes.count("max_position_embeddings", 32_768),
            qkv_bias=spec.qkv_bias,
            qk_norm=spec.qk_norm,
        )


def read_config(folder: Path) -> dict[str, Any]:
    """Return `config.json`, decoded.

    Raises:
        ModelConfigError: the file is missing or not a JSON object.
    """
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelConfigError(f"{path} is missing: is this a model folder?") from error
    except (ValueError, RecursionError, OSError) as error:
        raise ModelConfigError(
            f"{path} is not valid JSON ({error}); fetch the model again"
        ) from error
    if not isinstance(raw, dict):
        raise ModelConfigError(f"{path} does not hold an object; fetch the model again")
    return raw


def matching_families(raw: dict[str, Any]) -> Sequence[FamilySpec]:
    """Return the families that a decoded `config.json` may belong to, most special first.

    Raises:
        ModelConfigError: there is none; the message lists those that we know.
    """
    kind = raw.get("model_type")
    classes = _class_names(raw)
    found = [spec for spec in FAMILIES if _matches(raw, spec, classes)]
    if not found:
        known = ", ".join(spec.name for spec in FAMILIES)
        raise ModelConfigError(
            f"config.json: model_type {kind!r} with the classes {sorted(classes) or 'none'} is no "
            f"model that Midspan runs; it runs {known}"
        )
    return found


def _matches(raw: dict[str, Any], spec: FamilySpec, classes: frozenset[str]) -> bool:
    if str(raw.get("model_type")).lower() not in spec.model_types:
        return False
    if any(raw.get(key) != value for key, value in spec.says.items()):
        return False
    if not classes or not spec.classes:
        return not spec.class_needed
    return not classes.isdisjoint(spec.classes)


def _class_names(raw: dict[str, Any]) -> frozenset[str]:
    """Names of model classes; the code that `auto_map` points to is never opened."""
    architectures, auto_map = raw.get("architectures"), raw.get("auto_map")
    names = list(architectures) if isinstance(architectures, list) else []
    if isinstance(auto_map, dict):
        names += [value for key, value in auto_map.items() if key.startswith("AutoModel")]
    return frozenset(name.rpartition(".")[2] for name in names if isinstance(name, str))


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Typed look-ups by our names."""

    raw: dict[str, Any]
    spec: FamilySpec

    def count(self, name: str, default: int | None = None) -> int:
        key, value = self._find(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ModelConfigError(f"config.json: {key} is of the wrong kind: {value!r}")
        if not 1 <= value < _LARGEST:
            raise ModelConfigError(f"config.json: {key} must be at least 1 and below 2^31")
        return value

    def real(self, name: str, default: object = None) -> float:
        key, value = self._find(name, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise ModelConfigError(f"config.json: {key} is of the wrong kind: {value!r}")
        if not 0 < value < _LARGEST:
            raise ModelConfigError(f"config.json: {key} must be a number above 0")
        return float(value)

    def flag(self, name: str) -> bool:
        key, value = self._find(name, False)
        if not isinstance(value, bool):
            raise ModelConfigError(f"config.json: {key} is of the wrong kind: {value!r}")
        return value

    def _find(self, name: str, default: object) -> tuple[str, object]:
        key = self.spec.fields.get(name, name)
        value = self.raw.get(key)
        if value is None:
            value = default
        if value is None:
            raise ModelConfigError(f"config.json lacks {key!r}; fetch the model again")
        return key, value


def _rope(raw: dict[str, Any]) -> dict[str, Any]:
    found = raw.get("rope_scaling") or raw.get("rope_parameters") or {}
    if not isinstance(found, dict) or any(isinstance(part, dict) for part in found.values()):
        raise ModelConfigError(f"config.json: rotary parameters of the wrong kind: {found!r}")
    return found


def _refuse_unknown_options(raw: dict[str, Any], spec: FamilySpec) -> None:
    for key, allowed in spec.options.items():
        if raw.get(key) not in allowed:
            raise ModelConfigError(
                f"config.json: {key} is {raw.get(key)!r}, and Midspan runs {spec.name} only "
                f"with {' or '.join(map(_shown, allowed))}"
            )
    rope = _rope(raw)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise ModelConfigError(f"config.json: rotary scaling {kind!r} is not supported")
    layers = raw.get("layer_types") or []
    if not isinstance(layers, list) or any(kind != "full_attention" for kind in layers):
        raise ModelConfigError("config.json: layer_types other than full_attention")


def _shown(value: object) -> str:
    return "none" if value is None else repr(value)
