from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.canvas.fitted import Fitted, read_fitted, write_fitted
from midspan_engine.decoding.confidence import DEFAULT
from midspan_engine.models.config import ModelConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_fitted_is_read_again(tmp_path: Path) -> None:
    fitted = Fitted(calibration=DEFAULT, usual={2: -0.1, 16: -1.5}, masks=5)
    write_fitted(tmp_path, fitted)
    assert read_fitted(tmp_path) == fitted


def test_without_a_fit_there_is_a_cautious_guess(tmp_path: Path) -> None:
    assert read_fitted(tmp_path) == Fitted()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"masks": "many"}', b"\xff"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "decoding.json").write_bytes(content)
    with pytest.raises(ModelConfigError, match=r"decoding\.json cannot be read"):
        read_fitted(tmp_path)
