"""Logits of every family equal those of a network by other hands with the mask given outright."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from midspan_engine.models.family import load_transformer, read_family

if TYPE_CHECKING:
    from torch import Tensor, nn

    from midspan_engine.models.transformer import Transformer

VOCABULARY, TOKENS = 120, 23


def _visible(case: Any) -> Tensor:
    """`[tokens, tokens]`, which of the others each row sees."""
    places = torch.arange(TOKENS)
    if case.decoding == "causal":
        return places[None] <= places[:, None]
    if case.decoding == "canvas":
        return torch.ones(TOKENS, TOKENS, dtype=torch.bool)
    block: int = case.block
    return places[None] // block <= places[:, None] // block


def _expected(case: Any, model: nn.Module, ids: Tensor, visible: Tensor) -> Tensor:
    if case.reference == "llada":
        assert bool(visible.all())
        logits: Tensor = model(ids)
        return logits
    bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    output: Any = model(ids, attention_mask=bias.expand(len(ids), 1, -1, -1), use_cache=False)
    return output.logits  # type: ignore[no-any-return]


def _ids() -> Tensor:
    return torch.randint(0, VOCABULARY, (2, TOKENS), generator=torch.Generator().manual_seed(5))


def _ours(model: Transformer, ids: Tensor, case: Any) -> Tensor:
    positions = torch.arange(TOKENS).expand_as(ids)
    if case.decoding == "block":
        output = model(ids, positions, mask=_visible(case)[None])
    else:
        output = model(ids, positions, causal=case.decoding == "causal")
    return model.head(output.hidden)


@torch.no_grad()
def test_logits_equal_those_of_the_reference(case: Any, write: Any) -> None:
    folder, reference = write(case)
    model = load_transformer(folder, read_family(folder), dtype=torch.float32)
    expected = _expected(case, reference, _ids(), _visible(case))
    assert expected.std() > 0.1
    torch.testing.assert_close(_ours(model, _ids(), case), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_reference_really_uses_the_mask(case: Any, write: Any) -> None:
    """Row 0 of the reference changes with exactly the tokens that it should see."""
    _, reference = write(case)
    visible, ids = _visible(case), _ids()
    before = _expected(case, reference, ids, visible)[0, 0]
    seen = []
    for place in range(1, TOKENS):
        changed = ids.clone()
        changed[0, place] = (changed[0, place] + 1) % VOCABULARY
        after = _expected(case, reference, changed, visible)[0, 0]
        seen.append(bool((after - before).abs().max() > 1e-6))
    assert seen == visible[0, 1:].tolist()


@torch.no_grad()
def test_a_shifted_model_predicts_a_place_from_the_row_before_it(write_family: Any) -> None:
    case, folder, reference = write_family("dream")
    family = read_family(folder)
    model = load_transformer(folder, family, dtype=torch.float32)
    logits = _expected(case, reference, _ids(), _visible(case))
    published = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
    rows = torch.tensor([max(0, place - family.shift) for place in range(TOKENS)])
    hidden = model(_ids(), torch.arange(TOKENS).expand(2, -1), causal=False).hidden
    torch.testing.assert_close(model.head(hidden[:, rows]), published, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel what is mapped")
def test_weights_in_the_dtype_of_the_file_are_mapped_not_copied(write_family: Any) -> None:
    _, folder, _ = write_family("dream")
    model = load_transformer(folder, read_family(folder), dtype=torch.bfloat16)
    assert str(folder) in Path("/proc/self/maps").read_text()
    assert model.embed_tokens.weight.dtype == torch.bfloat16


def test_an_int8_matrix_is_its_values_times_the_scale_of_each_row(write_family: Any) -> None:
    _, folder, reference = write_family("midspan-nano")
    tensors = {name: value.float() for name, value in reference.state_dict().items()}
    tensors.pop("lm_head.weight", None)
    name = "model.layers.1.mlp.up_proj.weight"
    scale = tensors[name].abs().amax(dim=1, keepdim=True) / 127
    small = (tensors[name] / scale).round()
    stored = tensors | {name: small.to(torch.int8), name + ".scale": scale.half()}
    save_file(stored, folder / "model.safetensors")
    model = load_transformer(folder, read_family(folder), dtype=torch.float32)
    expected = small * scale.half().float()
    assert torch.equal(model.state_dict()[name.removeprefix("model.")], expected)
