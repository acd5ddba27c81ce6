from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.models.config import ModelConfigError, TransformerConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_head_size_follows_from_the_hidden_size(small_folder: Callable[[bool], Path]) -> None:
    config = TransformerConfig.from_folder(small_folder(True))
    assert config.head_dim == 8
    assert config.query_groups == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "model_type"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "yarn"),
        ({"num_key_value_heads": 3}, "cannot be shared"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"head_dim": 7}, "even"),
        ({"hidden_size": [1]}, "wrong kind"),
    ],
)
def test_what_cannot_run_is_refused_by_name(
    small_folder: Callable[[bool], Path], change: dict[str, Any], message: str
) -> None:
    folder = small_folder(True)
    raw = json.loads((folder / "config.json").read_text()) | change
    with pytest.raises(ModelConfigError, match=message):
        TransformerConfig.from_mapping(raw)


def test_a_missing_field_is_named(small_folder: Callable[[bool], Path]) -> None:
    raw = json.loads((small_folder(True) / "config.json").read_text())
    del raw["rms_norm_eps"]
    with pytest.raises(ModelConfigError, match="rms_norm_eps"):
        TransformerConfig.from_mapping(raw)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match="is missing"):
        TransformerConfig.from_folder(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelConfigError, match="not valid JSON"):
        TransformerConfig.from_folder(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelConfigError, match="object"):
        TransformerConfig.from_folder(tmp_path)
