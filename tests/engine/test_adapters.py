"""The adapters that ship belong to weights that we know, and can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine import weights
from midspan_engine.adapters import EDITS, Adapters, shipped
from midspan_engine.models.adapter_file import AdapterError, read_adapter
from midspan_engine.models.config import Qwen2Config

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 40_000_000


def test_every_shipped_adapter_belongs_to_a_model_of_the_catalogue() -> None:
    bases = {Adapters.choose(model.sha256, mask="auto") for model in weights.KNOWN_MODELS}
    chosen = {path for base in bases for path in (base.infill, base.mask)}
    assert shipped()
    for path in shipped():
        assert path in chosen, path.name
    assert sum(path.stat().st_size for path in shipped()) <= MOST_BYTES


def test_the_adapter_for_next_edits_is_chosen_only_by_its_name() -> None:
    sha256 = next(iter(weights.KNOWN_MODELS)).sha256
    edits, usual = (Adapters.choose(sha256, infill=word).infill for word in (EDITS, "auto"))
    assert [edits] == list(shipped(EDITS))
    assert edits != usual
    with pytest.raises(AdapterError, match="midspan train edit"):
        Adapters.choose("0" * 64, infill=EDITS)


def test_other_weights_have_no_adapter() -> None:
    adapters = Adapters.choose("0" * 64, infill="auto", mask="auto")
    assert (adapters.infill, adapters.mask) == (None, None)
    assert adapters.merged_sha256 == adapters.base_sha256


def test_none_chooses_nothing_and_a_path_is_taken(tmp_path: Path) -> None:
    sha256 = next(iter(weights.KNOWN_MODELS)).sha256
    assert Adapters.choose(sha256, infill="none").infill is None
    chosen = Adapters.choose(sha256, infill="none", mask=str(tmp_path / "mine"))
    assert chosen.mask == tmp_path / "mine"


@pytest.mark.slow
def test_the_default_models_adapters_fit_its_weights() -> None:
    files = weights.resolve()
    adapters = Adapters.choose(files.sha256, mask="auto")
    config = Qwen2Config.from_folder(files.folder)
    assert adapters.infill is not None
    infill, _ = read_adapter(adapters.infill, config, base_sha256=files.sha256, kind="infill")
    assert adapters.mask is not None
    mask, info = read_adapter(adapters.mask, config, base_sha256=adapters.merged_sha256)
    with_edits = Adapters.choose(files.sha256, infill=EDITS).infill
    assert with_edits is not None
    assert read_adapter(with_edits, config, base_sha256=files.sha256, kind="infill")
    assert len(infill.pairs) == len(mask.pairs) == 7 * config.num_hidden_layers
    assert info.tokens_trained > 100_000
