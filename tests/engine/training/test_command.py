from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from midspan_engine import weights
from midspan_engine.commands import train
from midspan_engine.models.adapter_file import read_adapter_info
from midspan_engine.protocol import MidspanError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
rank = 4
alpha = 8.0
steps = 3
vocabulary = 300
evaluation_contexts = 2
greedy_contexts = 1

[limits]
prefix = 60
suffix = 30
middle = 30

[blocks]
blocks = 6
"""


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return train.run(parser.parse_args(arguments))


@pytest.fixture
def arguments(tiny_folder: Path, data_folder: Path, tmp_path: Path) -> list[str]:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    return [
        "--model", str(tiny_folder), "--base-sha256", "d" * 64, "--data", str(data_folder),
        "--run", str(tmp_path / "run"), "--export", str(tmp_path / "a.safetensors"),
        "--config", str(config), "--dtype", "fp32", "--threads", "1",
    ]  # fmt: skip


def test_adapter_trains_and_export_writes_it_again(arguments: list[str], tmp_path: Path) -> None:
    assert _run(["adapter", *arguments]) == 0
    export = tmp_path / "a.safetensors"
    info = read_adapter_info(export)
    assert (info.base_sha256, info.rank) == ("d" * 64, 4)
    export.unlink()
    assert _run(["export", *arguments]) == 0
    assert read_adapter_info(export) == info
    assert (tmp_path / "run" / "curves.png").stat().st_size > 0


@pytest.mark.parametrize("action", ["data", "adapter", "infill", "edit", "export"])
def test_every_action_has_a_model_without_being_told(action: str) -> None:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    assert parser.parse_args([action]).model == weights.DEFAULT_MODEL


def test_a_key_that_does_not_exist_is_named(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("steps = 1\n[blocks]\nlenghts = [3]\n")
    with pytest.raises(MidspanError, match="lenghts"):
        _run(["adapter", *arguments])
    (tmp_path / "config.toml").write_text("steps = 1\nlearning_rte = 1.0\n")
    with pytest.raises(MidspanError, match="learning_rte"):
        _run(["adapter", *arguments])
    (tmp_path / "config.toml").write_text("steps = 1\nrank = 'many'\n")
    with pytest.raises(MidspanError, match="rank"):
        _run(["adapter", *arguments])


def test_missing_data_says_what_to_run(arguments: list[str], tmp_path: Path) -> None:
    nowhere = ["--data", str(tmp_path / "nowhere")]
    with pytest.raises(MidspanError, match="midspan train data"):
        _run(["adapter", *arguments, *nowhere])


def test_a_moment_that_cannot_be_read_is_named(arguments: list[str]) -> None:
    with pytest.raises(MidspanError, match="tomorrow"):
        _run(["adapter", *arguments, "--until", "tomorrow"])
