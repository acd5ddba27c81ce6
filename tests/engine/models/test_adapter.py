from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from midspan_engine.models.adapter import Adapter, load_adapter
from midspan_engine.models.adapter_file import AdapterError, AdapterInfo, read_adapter_info

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.models.transformer import Transformer

INFO = AdapterInfo(
    base_sha256="a" * 64, base_name="small", rank=4, alpha=8.0, block=8, tokens_trained=123
)


@pytest.fixture
def config(small_model: Transformer) -> TransformerConfig:
    return small_model.config


@pytest.fixture
def saved(config: TransformerConfig, tmp_path: Path) -> Path:
    path = tmp_path / "adapter.safetensors"
    Adapter(config, rank=4, alpha=8.0).save(path, INFO)
    return path


def _rewrite(path: Path, change: dict[str, torch.Tensor], drop: str | None = None) -> None:
    tensors = {**load_file(path), **change}
    if drop:
        del tensors[drop]
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata=metadata)


def test_what_is_saved_is_what_is_loaded(config: TransformerConfig, tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    adapter = Adapter(config, rank=4, alpha=8.0)
    adapter.save(path, INFO, exact=True)
    loaded, info = load_adapter(path, config, base_sha256="a" * 64)
    assert info == INFO == read_adapter_info(path)
    for name, value in adapter.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [path.name]


def test_int8_is_within_half_a_step_of_what_was_saved(
    config: TransformerConfig, tmp_path: Path
) -> None:
    path = tmp_path / "adapter.safetensors"
    adapter = Adapter(config, rank=4, alpha=8.0)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=1e-4)
    adapter.save(path, INFO)
    loaded, _ = load_adapter(path, config, base_sha256="a" * 64)
    for name, value in adapter.state_dict().items():
        got = loaded.state_dict()[name]
        if value.dim() == 1:
            assert torch.equal(got, value)
            continue
        step = value.abs().amax(dim=1, keepdim=True) / 127
        assert bool(((got - value).abs() <= 0.501 * step).all()), name
        assert bool((got != 0).any())


def test_a_misshapen_scale_is_named(saved: Path, config: TransformerConfig) -> None:
    _rewrite(saved, {"layers.1.k_proj.lora_b.scale": torch.zeros(3, 1)})
    with pytest.raises(AdapterError, match=r"'layers\.1\.k_proj\.lora_b\.scale' has shape"):
        load_adapter(saved, config, base_sha256="a" * 64)


def test_a_missing_scale_is_named(saved: Path, config: TransformerConfig) -> None:
    _rewrite(saved, {}, drop="layers.1.k_proj.lora_b.scale")
    with pytest.raises(AdapterError, match=r"lora_b\.scale' is missing"):
        load_adapter(saved, config, base_sha256="a" * 64)


def test_names_are_those_of_the_format(saved: Path) -> None:
    names = set(load_file(saved))
    assert "mask_embedding" in names
    assert "layers.2.gate_proj.lora_a" in names
    matrices = 3 * 7 * 2
    assert len(names) == 1 + 2 * matrices


def test_another_base_is_refused(saved: Path, config: TransformerConfig) -> None:
    with pytest.raises(AdapterError, match=r"small .*midspan train adapter"):
        load_adapter(saved, config, base_sha256="b" * 64)


def test_a_damaged_file_is_refused(saved: Path, config: TransformerConfig) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(AdapterError, match="damaged"):
        load_adapter(saved, config, base_sha256="a" * 64)


def test_a_file_of_another_kind_is_refused(tmp_path: Path, config: TransformerConfig) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(AdapterError, match="format None"):
        load_adapter(path, config, base_sha256="a" * 64)


def test_an_unknown_tensor_is_named(saved: Path, config: TransformerConfig) -> None:
    _rewrite(saved, {"layers.9.q_proj.lora_a": torch.zeros(4, 64)})
    with pytest.raises(AdapterError, match=r"unknown tensor 'layers\.9\.q_proj\.lora_a'"):
        load_adapter(saved, config, base_sha256="a" * 64)


def test_a_missing_tensor_is_named(saved: Path, config: TransformerConfig) -> None:
    _rewrite(saved, {}, drop="layers.1.k_proj.lora_b")
    with pytest.raises(AdapterError, match=r"'layers\.1\.k_proj\.lora_b' is missing"):
        load_adapter(saved, config, base_sha256="a" * 64)


def test_a_misshapen_tensor_is_named(saved: Path, config: TransformerConfig) -> None:
    _rewrite(saved, {"mask_embedding": torch.zeros(65)})
    with pytest.raises(AdapterError, match="'mask_embedding' has shape"):
        load_adapter(saved, config, base_sha256="a" * 64)


def test_a_nan_is_refused_by_name(saved: Path, config: TransformerConfig) -> None:
    _rewrite(saved, {"mask_embedding": torch.full((64,), torch.nan, dtype=torch.bfloat16)})
    with pytest.raises(AdapterError, match="'mask_embedding' holds a value that is not finite"):
        load_adapter(saved, config, base_sha256="a" * 64)


def test_a_nan_is_never_written(config: TransformerConfig, tmp_path: Path) -> None:
    adapter = Adapter(config, rank=4, alpha=8.0)
    with torch.no_grad():
        adapter.mask_embedding[3] = torch.inf
    with pytest.raises(AdapterError, match="mask_embedding"):
        adapter.save(tmp_path / "adapter.safetensors", INFO)
    assert not (tmp_path / "adapter.safetensors").exists()
