from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from midspan_engine.models.transformer import Transformer
from midspan_engine.training.blocks import BlockSettings
from midspan_engine.training.data_build import PackageRecord, is_held_out
from midspan_engine.training.data_shards import Shard, write_shard
from midspan_engine.training.manifest import write_records
from midspan_engine.training.objective import LossSettings, Objective
from midspan_engine.training.run import RunPlan
from midspan_engine.training.run_files import Base
from midspan_engine.training.settings import TrainSettings
from midspan_engine.training.spans import Context, SpanLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """def load_module(name, path):
    with open(path) as handle:
        return [line.rstrip() for line in handle]


class Reader:
    def __init__(self, path):
        self.path = path
        self.lines = load_module("reader", path)

    def count(self):
        return len(self.lines)


def total(readers):
    result = 0
    for reader in readers:
        result += reader.count()
    return result
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors this small only wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tokenizer(tiny_folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tiny_folder / "tokenizer.json"))


@pytest.fixture
def objective(tiny_folder: Path) -> Objective:
    model = Transformer.from_folder(tiny_folder)
    return Objective(model, np.arange(model.config.vocab_size), LossSettings())


@pytest.fixture
def context(tokenizer: Tokenizer) -> Context:
    """Prefix of 12, suffix of 5, middle of 9 tokens; the span ends with the middle."""
    ids = [tokenizer.token_to_id("<|fim_prefix|>"), *range(20, 32)]
    ids += [tokenizer.token_to_id("<|fim_suffix|>"), *range(40, 45)]
    ids += [tokenizer.token_to_id("<|fim_middle|>"), *range(60, 69)]
    return Context(ids=np.array(ids), middle_start=20, prefix_end=13, ends=True)


@pytest.fixture
def data_folder(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    """Shards of two packages, one of them held out."""
    ids = np.array(tokenizer.encode(SOURCE, add_special_tokens=False).ids, dtype=np.uint32)
    names = [f"wheel-{number}" for number in range(40)]
    keys = [next(n for n in names if is_held_out(n) == held_out) for held_out in (False, True)]
    records = []
    for key in keys:
        shard = Shard(
            tokens=np.concatenate([ids, ids]),
            starts=np.array([0, len(ids), 2 * len(ids)], dtype=np.int64),
            digests=np.zeros((2, 32), np.uint8),
            signatures=np.zeros((2, 64), np.uint32),
            languages=np.array(["python", "go"]),
        )
        write_shard(tmp_path / "data" / "shards" / f"{key}.npz", shard)
        records.append(
            PackageRecord(
                key=key,
                name=key,
                ecosystem="wheel",
                version="1",
                licence="MIT",
                sha256="",
                held_out=is_held_out(key),
                files=2,
                tokens=len(shard.tokens),
            )
        )
    write_records(tmp_path / "data" / "manifest.json", records)
    return tmp_path / "data"


@pytest.fixture
def small_settings() -> TrainSettings:
    return TrainSettings(
        rank=4,
        alpha=8.0,
        contexts_per_step=2,
        steps=6,
        learning_rate=5e-3,
        warmup_steps=2,
        vocabulary=300,
        evaluation_contexts=3,
        greedy_contexts=2,
        limits=SpanLimits(prefix=60, suffix=30, middle=30),
        blocks=BlockSettings(blocks=6),
    )


@pytest.fixture
def run_plan(tiny_folder: Path, data_folder: Path, tmp_path: Path) -> RunPlan:
    return RunPlan(
        model=tiny_folder,
        data=data_folder,
        folder=tmp_path / "run",
        export=tmp_path / "adapter.safetensors",
        base=Base(name="tiny", sha256="c" * 64),
        device="cpu",
        dtype=torch.float32,
    )
