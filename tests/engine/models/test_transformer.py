from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2ForCausalLM

from midspan_engine.models.adapter import Adapter
from midspan_engine.models.config import ModelConfigError
from midspan_engine.models.transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor


def _positions(ids: Tensor) -> Tensor:
    return torch.arange(ids.shape[1]).expand_as(ids)


def _random_adapter(model: Transformer) -> Adapter:
    torch.manual_seed(7)
    adapter = Adapter(model.config, rank=4, alpha=8.0)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return adapter.requires_grad_(requires_grad=False)


@pytest.mark.parametrize("tied", [True, False])
def test_logits_equal_those_of_transformers(
    small_folder: Callable[[bool], Path], tied: bool
) -> None:
    folder = small_folder(tied)
    ours = Transformer.from_folder(folder)
    reference = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.randint(0, 97, (2, 31), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = reference(ids).logits
        got = ours.head(ours(ids, _positions(ids)).hidden)
    assert (expected - got).abs().max() < 1e-4
    assert expected.std() > 0.1


def test_cached_pass_equals_the_whole_pass(small_model: Transformer) -> None:
    ids = torch.randint(0, 97, (1, 24))
    whole = small_model(ids, _positions(ids))
    first = small_model(ids[:, :10], _positions(ids)[:, :10])
    second = small_model(ids[:, 10:], _positions(ids)[:, 10:], past=first.keys_values)
    torch.testing.assert_close(whole.hidden[:, 10:], second.hidden, atol=1e-5, rtol=1e-4)
    for (keys, values), (late_keys, late_values) in zip(
        whole.keys_values, second.keys_values, strict=True
    ):
        torch.testing.assert_close(keys[:, :, 10:], late_keys, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(values[:, :, 10:], late_values, atol=1e-5, rtol=1e-4)


def test_embeddings_and_ids_are_the_same_input(small_model: Transformer) -> None:
    ids = torch.randint(0, 97, (1, 9))
    by_ids = small_model(ids, _positions(ids)).hidden
    by_vectors = small_model(small_model.embed(ids), _positions(ids)).hidden
    torch.testing.assert_close(by_ids, by_vectors)


def test_a_row_attends_only_what_the_mask_allows(small_model: Transformer) -> None:
    ids = torch.randint(0, 97, (1, 8))
    mask = torch.eye(8, dtype=torch.bool).unsqueeze(0)
    mask[0, 5, 2] = True
    before = small_model(ids, _positions(ids), mask=mask).hidden
    ids[0, 2] = (ids[0, 2] + 1) % 97
    after = small_model(ids, _positions(ids), mask=mask).hidden
    changed = (before - after).abs().amax(dim=-1)[0] > 1e-6
    assert changed.nonzero().flatten().tolist() == [2, 5]


def test_rows_choose_between_base_and_adapter(small_model: Transformer) -> None:
    ids = torch.randint(0, 97, (1, 8))
    mask = torch.eye(8, dtype=torch.bool).unsqueeze(0)
    adapter = _random_adapter(small_model)
    base = small_model(ids, _positions(ids), mask=mask).hidden
    adapted = small_model(ids, _positions(ids), mask=mask, adapter=adapter).hidden
    rows = torch.tensor([[False, True] * 4])
    mixed = small_model(ids, _positions(ids), mask=mask, adapter=adapter, adapter_rows=rows).hidden
    torch.testing.assert_close(mixed, torch.where(rows.unsqueeze(-1), adapted, base))
    assert (adapted - base).abs().max() > 0.1


def test_an_adapter_with_no_row_chosen_changes_nothing(small_model: Transformer) -> None:
    ids = torch.randint(0, 97, (1, 8))
    rows = torch.zeros(1, 8, dtype=torch.bool)
    adapter = _random_adapter(small_model)
    off = small_model(ids, _positions(ids), adapter=adapter, adapter_rows=rows).hidden
    assert torch.equal(off, small_model(ids, _positions(ids)).hidden)


def test_weights_may_come_in_shards(small_folder: Callable[[bool], Path]) -> None:
    folder = small_folder(True)
    ids = torch.randint(0, 97, (1, 8))
    whole = Transformer.from_folder(folder)(ids, _positions(ids)).hidden
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    weight_map: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        shard = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert torch.equal(whole, Transformer.from_folder(folder)(ids, _positions(ids)).hidden)


def test_incomplete_weights_are_refused(small_folder: Callable[[bool], Path]) -> None:
    folder = small_folder(True)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelConfigError, match=r"layers\.1\.mlp\.up_proj"):
        Transformer.from_folder(folder)


def test_damaged_and_missing_weights_are_refused(small_folder: Callable[[bool], Path]) -> None:
    folder = small_folder(True)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelConfigError, match="cannot be read"):
        Transformer.from_folder(folder)
    file.unlink()
    with pytest.raises(ModelConfigError, match="holds no"):
        Transformer.from_folder(folder)
