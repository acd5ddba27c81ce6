from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.commands.bench import NAMES, BenchMissing, script_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_bench_of_a_checkout_is_found(tmp_path: Path) -> None:
    script = tmp_path / "bench" / "quality.py"
    script.parent.mkdir()
    script.touch()
    assert script_of("quality", tmp_path) == script


@pytest.mark.parametrize("name", NAMES)
def test_without_a_checkout_the_message_says_what_to_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchMissing, match="clone the repository"):
        script_of(name, tmp_path)
