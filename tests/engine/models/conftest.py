from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from midspan_engine.models.config import Qwen2Config
from midspan_engine.models.qwen2 import Qwen2Model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES = {
    "model_type": "qwen2",
    "vocab_size": 97,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "max_position_embeddings": 256,
}


@pytest.fixture
def small_folder(tmp_path: Path) -> Callable[[bool], Path]:
    """A random checkpoint in Hugging Face layout, with a tied or an untied head."""

    def make(tied: bool) -> Path:
        folder = tmp_path / ("tied" if tied else "untied")
        folder.mkdir()
        raw = {**SIZES, "tie_word_embeddings": tied}
        (folder / "config.json").write_text(json.dumps(raw))
        torch.manual_seed(3)
        model = Qwen2Model(Qwen2Config.from_mapping(raw))
        tensors = {}
        for name, value in model.state_dict().items():
            # Larger than usual, so that a wrong sign or order cannot hide.
            stored = value if name.startswith("lm_head") else value * 1.5
            tensors[name if name.startswith("lm_head") else f"model.{name}"] = stored.contiguous()
        save_file(tensors, folder / "model.safetensors")
        return folder

    return make


@pytest.fixture
def small_model(small_folder: Callable[[bool], Path]) -> Qwen2Model:
    return Qwen2Model.from_folder(small_folder(True))
