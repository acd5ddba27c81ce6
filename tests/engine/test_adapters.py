"""The adapters that ship belong to weights that we know, and can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine import weights
from midspan_engine.adapters import Adapters, shipped
from midspan_engine.models.adapter_file import read_adapter
from midspan_engine.models.config import TransformerConfig

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 40_000_000


def test_every_shipped_adapter_belongs_to_a_model_of_the_catalogue() -> None:
    sums = [model.sha256 for model in weights.KNOWN_MODELS]
    bases = {Adapters.choose(sha256, mask="auto", edits="auto") for sha256 in sums}
    chosen = {path for base in bases for path in (base.infill, base.mask, base.edits)}
    assert shipped()
    for path in shipped():
        assert path in chosen, path.name
        assert path.stat().st_size <= MOST_BYTES


def test_other_weights_have_no_adapter() -> None:
    adapters = Adapters.choose("0" * 64, infill="auto", mask="auto", edits="auto")
    assert (adapters.infill, adapters.mask, adapters.edits) == (None, None, None)
    assert adapters.merged_sha256 == adapters.base_sha256


def test_none_chooses_nothing_and_a_path_is_taken(tmp_path: Path) -> None:
    sha256 = next(iter(weights.KNOWN_MODELS)).sha256
    assert Adapters.choose(sha256, infill="none").infill is None
    chosen = Adapters.choose(sha256, infill="none", mask=str(tmp_path / "mine"))
    assert chosen.mask == tmp_path / "mine"


@pytest.mark.slow
def test_the_default_models_adapters_fit_its_weights() -> None:
    files = weights.resolve()
    adapters = Adapters.choose(files.sha256, mask="auto", edits="auto")
    config = TransformerConfig.from_folder(files.folder)
    assert adapters.infill is not None
    infill, _ = read_adapter(adapters.infill, config, base_sha256=files.sha256, kind="infill")
    assert adapters.mask is not None
    mask, info = read_adapter(adapters.mask, config, base_sha256=adapters.merged_sha256)
    assert adapters.edits is not None
    edits, _ = read_adapter(adapters.edits, config, base_sha256=files.sha256, kind="edits")
    assert len(infill.pairs) == len(mask.pairs) == len(edits.pairs) == 7 * config.num_hidden_layers
    assert info.tokens_trained > 100_000
