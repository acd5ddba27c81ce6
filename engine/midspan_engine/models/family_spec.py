"""What is said about a model family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Decoding = Literal["causal", "canvas", "block"]
Layout = Literal["raw", "fim"]
Options = Mapping[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorNames:
    """How a checkpoint calls its tensors.

    Attributes:
        embedding: Whole name.
        norm: Whole name, of the last norm.
        head: Whole name; absent from a checkpoint with a tied head.
        layer: Beginning of the names of one layer, its number in place of `{}`.
        parts: Our names within a layer to theirs, without `.weight` and `.bias`.
    """

    embedding: str
    norm: str
    head: str
    layer: str
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkNames:
    """What a tokenizer calls its marks; of several names the first that it has counts.

    Attributes:
        fim: Marks of a prompt whose span comes last: before the prefix, the suffix and the span.
        documented_mask: Id that the makers publish. A check of what was found by name, and the
            answer where no name is published.
    """

    mask: tuple[str, ...]
    end: tuple[str, ...]
    begin: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    fim: tuple[str, str, str] = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
    documented_mask: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilySpec:
    """One family.

    Attributes:
        name: What we call it.
        hub: Repositories on the Hugging Face hub.
        licence: Of the weights.
        model_types: `model_type` in `config.json`, in small letters.
        classes: One of them is named in `architectures` or `auto_map`, where these are there.
        class_needed: Whether they have to be, because other models have the same `model_type`.
        says: Values in `config.json` that only this family has.
        told_by: A token that only this family's tokenizer has, where `config.json` is no help.
        fields: Our names of sizes to those in `config.json`, where they differ.
        options: Values that we implement; None stands for "not there". Any other is refused.
        tensors: Names of the tensors.
        qkv_bias: Whether q, k and v have biases.
        qk_norm: Whether queries and keys are normed by head.
        decoding: How rows attend: to what stands before, to all, or to all up to their block's end.
        shift: Whether a place is predicted by the row before it.
        block: Tokens of a block where `config.json` does not say.
        block_field: Where `config.json` says it.
        layout: Whether masks stand between prefix and suffix, or behind a FIM prompt.
        marks: None where the model has no mask of its own.
        splits_like_qwen2: Whether `vocab.json` and `merges.txt` are a vocabulary of that kind.
    """

    name: str
    hub: tuple[str, ...]
    licence: str
    model_types: tuple[str, ...]
    classes: tuple[str, ...]
    class_needed: bool = False
    says: Mapping[str, object] = field(default_factory=dict)
    told_by: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    options: Options
    tensors: TensorNames
    qkv_bias: bool = False
    qk_norm: bool = False
    decoding: Decoding
    shift: bool = False
    block: int = 0
    block_field: str = ""
    layout: Layout = "raw"
    marks: MarkNames | None = None
    splits_like_qwen2: bool = False
