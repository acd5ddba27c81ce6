from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from midspan_engine.models.config import ModelConfigError
from midspan_engine.runtime.folder_weights import FolderWeights

UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def _store(folder: Path, name: str, value: torch.Tensor) -> None:
    path = folder / "model.safetensors"
    save_file(load_file(path) | {name: value}, path)


def test_bfloat16_is_read_as_what_it_means(folder: Path) -> None:
    value = torch.randn(256, 128).bfloat16()
    _store(folder, UP, value)
    weights = FolderWeights(folder)
    assert np.array_equal(weights(UP), value.float().numpy())
    picked = np.array([7, 3], np.int32)
    assert np.array_equal(weights.rows(UP, picked), value.float().numpy()[picked])


def test_a_misshapen_tensor_is_refused_before_it_is_used(folder: Path) -> None:
    _store(folder, UP, torch.ones(128, 256))
    with pytest.raises(ModelConfigError, match=r"shape \[128, 256\].*midspan pull --force"):
        FolderWeights(folder)


def test_values_that_are_no_numbers_are_refused_when_read(folder: Path) -> None:
    value = torch.ones(256, 128)
    value[3, 5] = torch.nan
    _store(folder, UP, value)
    weights = FolderWeights(folder)
    with pytest.raises(ModelConfigError, match="not a number"):
        weights(UP)
    with pytest.raises(ModelConfigError, match="not a number"):
        weights.rows(UP, np.array([3], np.int32))
    assert weights.rows(UP, np.array([4], np.int32)).sum() == 128


def test_weights_of_other_sizes_than_the_config_are_refused(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 3}))
    with pytest.raises(ModelConfigError, match=r"lack model\.layers\.2"):
        FolderWeights(folder)
