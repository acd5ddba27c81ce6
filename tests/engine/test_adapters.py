"""The adapters that ship belong to weights that we know, and can be read."""

from __future__ import annotations

import pytest

from midspan_engine import weights
from midspan_engine.adapters import adapter_for, shipped
from midspan_engine.models.adapter_file import read_adapter
from midspan_engine.models.config import Qwen2Config

MOST_BYTES = 40_000_000


def test_every_shipped_adapter_belongs_to_a_model_of_the_catalogue() -> None:
    known = {model.sha256 for model in weights.KNOWN_MODELS}
    assert shipped()
    for path, info in shipped().items():
        assert info.base_sha256 in known, path.name
        assert path.stat().st_size <= MOST_BYTES
        assert adapter_for(info.base_sha256) == path


def test_other_weights_have_no_adapter() -> None:
    assert adapter_for("0" * 64) is None


@pytest.mark.slow
def test_the_default_models_adapter_fits_its_weights() -> None:
    files = weights.resolve()
    path = adapter_for(files.sha256)
    assert path is not None
    config = Qwen2Config.from_folder(files.folder)
    arrays, info = read_adapter(path, config, base_sha256=files.sha256)
    assert len(arrays.pairs) == 7 * config.num_hidden_layers
    assert info.tokens_trained > 100_000
