"""What a model folder holds, and its network: the way from files to something that predicts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from midspan_engine.models.config import (
    ModelConfigError,
    TransformerConfig,
    matching_families,
    read_config,
)
from midspan_engine.models.families import family_named
from midspan_engine.models.token_ids import TokenIds

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from midspan_engine.models.family_spec import Decoding, FamilySpec, Layout, MarkNames
    from midspan_engine.models.transformer import Transformer

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasMarks:
    """Ids of the marks that a canvas is made of.

    Attributes:
        mask: A place to be filled.
        end: The end of a text.
        begin: Stands before a text.
        expand: A mask that becomes two.
        delete: A mask that stands for nothing.
        fim: Before the prefix, the suffix and the span, where the span comes last.
    """

    mask: int
    end: int | None
    begin: int | None = None
    expand: int | None = None
    delete: int | None = None
    fim: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """How to decode with a model.

    Attributes:
        name: Of the entry in `families.FAMILIES`.
        decoding: A row sees what stands before it, everything, or all up to its block's end.
        shift: Whether a place is predicted by the row before it.
        block: Tokens of a block; 0 where there are none.
        layout: Whether masks stand between prefix and suffix, or behind a FIM prompt.
        config: Sizes.
        marks: None where the model has no mask of its own.
    """

    name: str
    decoding: Decoding
    shift: bool
    block: int
    layout: Layout
    config: TransformerConfig
    marks: CanvasMarks | None


def read_family(folder: Path) -> ModelFamily:
    """Read `config.json` and the tokenizer's files of a model folder; no weights, no torch.

    Raises:
        ModelConfigError: a file is missing or damaged, the family is unknown, or it has an option
            that we do not implement; the message names file and field.
    """
    raw = read_config(folder)
    found = matching_families(raw)
    tokens = TokenIds(folder)
    spec = next((spec for spec in found if not spec.told_by or spec.told_by in tokens), None)
    if spec is None:
        wanted = ", ".join(repr(spec.told_by) for spec in found)
        raise ModelConfigError(f"the tokenizer files in {folder} have no {wanted}")
    config = TransformerConfig.of_family(raw, spec)
    return ModelFamily(
        name=spec.name,
        decoding=spec.decoding,
        shift=spec.shift,
        block=_block(raw, spec),
        layout=spec.layout,
        config=config,
        marks=None if spec.marks is None else _marks(folder, raw, spec, tokens, config),
    )


def load_transformer(
    folder: Path, family: ModelFamily, *, dtype: torch.dtype, device: str = "cpu"
) -> Transformer:
    """Load the weights of a folder that `read_family` described.

    Raises:
        ModelConfigError: the weights are missing, damaged, or not those of `family.config`.
    """
    from midspan_engine.models.transformer import Transformer  # noqa: PLC0415  torch is heavy

    spec = family_named(family.name)
    return Transformer.from_weights(folder, family.config, spec.tensors, dtype, device)


def _block(raw: dict[str, Any], spec: FamilySpec) -> int:
    size = raw.get(spec.block_field) or spec.block
    if not isinstance(size, int) or not 0 <= size <= 1024:  # noqa: PLR2004  the widest ever trained
        raise ModelConfigError(f"config.json: {spec.block_field} is {size!r}, not a block's size")
    return size


def _marks(
    folder: Path, raw: dict[str, Any], spec: FamilySpec, tokens: TokenIds, config: TransformerConfig
) -> CanvasMarks:
    names = spec.marks
    assert names is not None
    marks = CanvasMarks(
        mask=_mask(folder, raw, names, tokens),
        end=tokens.first(names.end),
        begin=tokens.first(names.begin),
        expand=tokens.first(names.expand),
        delete=tokens.first(names.delete),
        fim=_fim(folder, names, tokens) if spec.layout == "fim" else None,
    )
    for part in fields(marks):
        value = getattr(marks, part.name)
        for token in value if isinstance(value, tuple) else (value,):
            if token is not None and token >= config.vocab_size:
                raise ModelConfigError(
                    f"the tokenizer files in {folder} give the {part.name} mark the id {token}, "
                    f"but config.json says vocab_size {config.vocab_size}; fetch both from one "
                    "revision"
                )
    return marks


def _fim(folder: Path, names: MarkNames, tokens: TokenIds) -> tuple[int, int, int]:
    prefix, suffix, middle = (tokens.first((name,)) for name in names.fim)
    if prefix is None or suffix is None or middle is None:
        raise ModelConfigError(
            f"the tokenizer files in {folder} have no {', '.join(names.fim)}; fetch all of them: "
            "tokenizer.json, added_tokens.json, tokenizer_config.json"
        )
    return prefix, suffix, middle


def _mask(folder: Path, raw: dict[str, Any], names: MarkNames, tokens: TokenIds) -> int:
    known = [*names.mask, *([tokens.mask_name] if tokens.mask_name else [])]
    mask, stated = tokens.first(known), raw.get("mask_token_id")
    if mask is None:
        mask = names.documented_mask
        if mask is None or not tokens.has_id(mask):
            raise ModelConfigError(
                f"the tokenizer files in {folder} have no mask token {' or '.join(names.mask)}; "
                "fetch all of them: tokenizer.json, added_tokens.json, tokenizer_config.json"
            )
    if stated is not None and stated != mask:
        raise ModelConfigError(
            f"{folder / 'config.json'}: mask_token_id is {stated!r}, but the tokenizer files give "
            f"the mask the id {mask}; fetch both from one revision"
        )
    if names.documented_mask not in (None, mask):
        _logger.info("the mask of %s is %d, not the published id", folder, mask)
    return mask
