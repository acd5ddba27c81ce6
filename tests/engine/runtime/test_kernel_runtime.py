"""Passes of kernels compute what the torch reference computes; here their twins run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from midspan_engine.models.adapter import Adapter
from midspan_engine.models.config import ModelConfigError, TransformerConfig
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.kernel_buckets import Ladder
from midspan_engine.runtime.kernel_runtime import KernelRuntime
from midspan_engine.runtime.rows import RowGroup
from midspan_engine.runtime.torch_runtime import TorchRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from midspan_engine.runtime.kernel_layers import Stored
    from midspan_engine.runtime.rows import RowScores, Runtime

CACHE = 4 * 1024 * 1024
IDS = [int(i) for i in np.random.default_rng(3).integers(0, 300, 200)]
UNPADDED = Ladder(rows=())


@pytest.fixture(scope="module")
def kernels(tiny_folder: Path, tiny_low_rank: Adapter) -> KernelRuntime:
    return KernelRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank)


@pytest.fixture(scope="module")
def unpadded(tiny_folder: Path, tiny_low_rank: Adapter) -> KernelRuntime:
    return KernelRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank, ladder=UNPADDED)


@pytest.fixture(scope="module")
def plain(tiny_folder: Path, tiny_low_rank: Adapter) -> KernelRuntime:
    """What torch's compiler gets, uncompiled: no pass recurs, so none is prepared."""
    return KernelRuntime(
        tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank, compiled=True, ladder=UNPADDED
    )


@pytest.fixture(scope="module")
def reference(tiny_folder: Path, tiny_low_rank: Adapter) -> TorchRuntime:
    return TorchRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank)


def new_sequence(runtime: Runtime, length: int = 250) -> CachedSequence:
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, length)
    return sequence


def release(runtime: Runtime, *sequences: CachedSequence) -> None:
    for sequence in sequences:
        runtime.pool.release(sequence)


def read(runtime: Runtime, sequence: CachedSequence, until: int) -> None:
    """Encode so many tokens."""
    runtime.forward([RowGroup.causal(sequence, 0, IDS[:until])])
    sequence.length = until


def tree(sequence: CachedSequence, start: int, causal: int, shape: Sequence[int]) -> RowGroup:
    """Causal rows, then behind each of the last ones a block of as many rows as `shape` says."""
    blocks = np.repeat(np.arange(causal - len(shape), causal), shape)
    ids = [*IDS[start : start + causal], *range(len(blocks))]
    masked = np.zeros(len(ids), np.bool_)
    masked[causal:] = np.arange(len(blocks)) % 3 != 1  # some cells of a block are filled already
    return RowGroup(
        sequence=sequence,
        start=start,
        ids=np.asarray(ids, np.int32),
        masked=masked,
        behind=np.concatenate([np.full(causal, -1), blocks]).astype(np.int32),
        wanted=np.arange(len(ids), dtype=np.int32),
    )


def assert_equal(ours: RowScores, theirs: RowScores, tolerance: float = 2e-4) -> None:
    """Logits go up to 25, so that is one in 100,000."""
    np.testing.assert_allclose(ours.logits, theirs.logits, atol=tolerance, rtol=tolerance)
    np.testing.assert_array_equal(ours.top_ids[:, 0], theirs.top_ids[:, 0])
    np.testing.assert_allclose(ours.top_logits, theirs.top_logits, atol=tolerance, rtol=tolerance)
    np.testing.assert_allclose(ours.log_normaliser, theirs.log_normaliser, atol=tolerance)


@pytest.mark.parametrize("cuts", [[1], [90], [200], [40, 90], [1, 2, 33, 64, 65, 130], [70, 199]])
@pytest.mark.parametrize("which", ["kernels", "unpadded", "plain"])
def test_a_prompt_in_any_pieces_equals_the_reference(
    which: str, cuts: list[int], reference: TorchRuntime, request: pytest.FixtureRequest
) -> None:
    def last(runtime: Runtime) -> RowScores:
        sequence = new_sequence(runtime)
        start = 0
        for end in cuts:
            group = RowGroup.causal(sequence, start, IDS[start:end], [end - start - 1])
            scores = runtime.forward([group])[0]
            start = end
        release(runtime, sequence)
        return scores

    assert_equal(last(request.getfixturevalue(which)), last(reference))


@pytest.mark.parametrize("which", ["kernels", "unpadded", "plain"])
@pytest.mark.parametrize(
    ("encoded", "causal", "shape"),
    [
        (0, 2, [2, 3]),
        (20, 3, [1, 1, 1]),
        (20, 3, [3, 0, 2]),
        (31, 1, [2]),
        (33, 100, [0, 4]),
        (40, 9, [8] * 9),
        (5, 70, [1] * 69),
    ],
)
def test_blocks_behind_every_outcome_equal_the_reference(
    which: str,
    encoded: int,
    causal: int,
    shape: list[int],
    reference: TorchRuntime,
    request: pytest.FixtureRequest,
) -> None:
    def scores(runtime: Runtime) -> list[RowScores]:
        first, second = new_sequence(runtime), new_sequence(runtime, 40)
        if encoded:
            read(runtime, first, encoded)
        company = RowGroup.causal(second, 0, IDS[:5], [4, 0])
        found = runtime.forward([tree(first, encoded, causal, shape), company])
        release(runtime, first, second)
        return found

    pairs = zip(scores(request.getfixturevalue(which)), scores(reference), strict=True)
    for ours, theirs in pairs:
        assert_equal(ours, theirs)


def test_sequences_of_all_kinds_share_a_pass(
    kernels: KernelRuntime, reference: TorchRuntime
) -> None:
    def scores(runtime: Runtime) -> list[RowScores]:
        sequences = [new_sequence(runtime, 150) for _ in range(5)]
        for sequence, until in zip(sequences, (0, 31, 32, 70, 3), strict=True):
            if until:
                read(runtime, sequence, until)
        found = runtime.forward(
            [
                RowGroup.causal(sequences[0], 0, IDS[:80]),
                RowGroup.causal(sequences[1], 31, IDS[31:33], [1]),
                tree(sequences[2], 32, 4, [2, 2, 2, 2]),
                RowGroup.causal(sequences[3], 70, IDS[70:71], [0]),
                tree(sequences[4], 3, 2, [5, 1]),
            ]
        )
        release(runtime, *sequences)
        return found

    ours, theirs = scores(kernels), scores(reference)
    assert [len(one.logits) for one in ours] == [0, 1, 12, 1, 8]
    for mine, other in zip(ours, theirs, strict=True):
        assert_equal(mine, other)


def test_forks_share_their_context_and_part_ways(
    kernels: KernelRuntime, reference: TorchRuntime
) -> None:
    def scores(runtime: Runtime) -> list[RowScores]:
        first = new_sequence(runtime, 80)
        read(runtime, first, 70)
        twin = runtime.pool.fork(first)
        for sequence in (first, twin):
            runtime.pool.reserve(sequence, 76)
        other = RowGroup.causal(twin, 70, IDS[:5], range(5))
        runtime.forward([RowGroup.causal(first, 70, IDS[70:75]), other])
        groups = [RowGroup.causal(first, 75, [9], [0]), RowGroup.causal(twin, 75, [9], [0])]
        found = runtime.forward(groups)
        release(runtime, first, twin)
        return found

    ours, theirs = scores(kernels), scores(reference)
    assert_equal(ours[0], theirs[0])
    assert_equal(ours[1], theirs[1])
    assert np.abs(ours[0].logits - ours[1].logits).max() > 1e-3


def test_a_moved_suffix_equals_the_reference(
    kernels: KernelRuntime, reference: TorchRuntime
) -> None:
    def scores(runtime: Runtime) -> RowScores:
        sequence = new_sequence(runtime, 120)
        read(runtime, sequence, 90)
        lifted = runtime.pool.lift(sequence, 40, 50)
        runtime.forward([RowGroup.causal(sequence, 40, IDS[100:105])])
        runtime.pool.put(sequence, 45, lifted)
        found = runtime.forward([tree(sequence, 95, 3, [2, 2, 2])])[0]
        release(runtime, sequence)
        return found

    assert_equal(scores(kernels), scores(reference))


def test_many_passes_keep_the_cache_right(kernels: KernelRuntime, reference: TorchRuntime) -> None:
    def scores(runtime: Runtime) -> RowScores:
        sequence = new_sequence(runtime, 220)
        for start in range(0, 180, 3):
            # Blocks are written behind the causal rows; the next pass writes over them.
            runtime.forward([tree(sequence, start, 3, [1, 2, 3])])
        found = runtime.forward([RowGroup.causal(sequence, 180, IDS[180:200], range(20))])[0]
        release(runtime, sequence)
        return found

    assert_equal(scores(kernels), scores(reference))


def test_a_pass_writes_what_the_reference_writes_and_nothing_else(
    kernels: KernelRuntime, reference: TorchRuntime
) -> None:
    kept = []
    for runtime in (kernels, reference):
        runtime.pool.storage.zero_()
        sequence = new_sequence(runtime, 70)
        runtime.forward([RowGroup.causal(sequence, 0, IDS[:37])])
        kept.append(runtime.pool.storage[:, :, sequence.blocks].clone())
        others = [b for b in range(runtime.pool.capacity) if b not in sequence.blocks]
        assert not runtime.pool.storage[:, :, others].any()
        release(runtime, sequence)
    torch.testing.assert_close(kept[0], kept[1], atol=1e-4, rtol=1e-4)
    assert not kept[0][:, :, 1, :, 5:].any()


def test_passes_are_counted_without_their_padding(kernels: KernelRuntime) -> None:
    before = dataclasses.replace(kernels.count)
    sequence = new_sequence(kernels, 20)
    kernels.forward([RowGroup.causal(sequence, 0, IDS[:5])])
    release(kernels, sequence)
    assert kernels.count.passes - before.passes == 1
    assert kernels.count.rows - before.rows == 5


def test_merged_weights_and_both_adapters_equal_the_reference(
    tiny_folder: Path, tiny_low_rank: Adapter
) -> None:
    def scores(kind: type[KernelRuntime | TorchRuntime]) -> RowScores:
        torch.manual_seed(1)
        config = TransformerConfig.from_folder(tiny_folder)
        merge = Adapter(config, rank=2, alpha=2.0, masks=False)
        for parameter in merge.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        runtime = kind(tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank, merge=merge)
        return runtime.forward([tree(new_sequence(runtime), 0, 4, [2, 2])])[0]

    assert_equal(scores(KernelRuntime), scores(TorchRuntime), tolerance=1e-3)


def test_norms_of_queries_and_keys_and_a_head_of_its_own_equal_the_reference(
    tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "normed"
    shutil.copytree(tiny_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "midspan-nano", "objective": "ar", "qkv_bias": False}
    config |= {"qk_norm": True, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    weights = {name: part for name, part in weights.items() if not name.endswith("bias")}
    weights["lm_head.weight"] = torch.randn(config["vocab_size"], 128).half()
    for layer in range(2):
        for name in ("q_norm", "k_norm"):
            weights[f"model.layers.{layer}.self_attn.{name}.weight"] = torch.rand(32).half() + 0.5
    save_file(weights, folder / "model.safetensors")
    runtimes: list[Runtime] = [
        KernelRuntime(folder, cache_bytes=CACHE),
        KernelRuntime(folder, cache_bytes=CACHE, compiled=True, ladder=UNPADDED),
        TorchRuntime(folder, cache_bytes=CACHE),
    ]
    ours, plain, theirs = (
        runtime.forward([RowGroup.causal(new_sequence(runtime), 0, IDS[:70], [0, 69])])[0]
        for runtime in runtimes
    )
    assert_equal(ours, theirs)
    assert_equal(plain, theirs)


@pytest.mark.parametrize(("stored", "margin"), [("int8", 0.5), ("fp8", 2.0)])
def test_8_bit_weights_keep_the_order_of_clear_predictions(
    stored: Stored,
    margin: float,
    tiny_folder: Path,
    tiny_low_rank: Adapter,
    reference: TorchRuntime,
) -> None:
    small = KernelRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank, stored=stored)
    assert small.name == f"kernels-cpu-{stored}"
    rough, true = (
        runtime.forward([tree(new_sequence(runtime), 0, 60, [4] * 10)])[0]
        for runtime in (small, reference)
    )
    clear = true.top_logits[:, 0] - true.top_logits[:, 1] > margin
    assert clear.sum() > 20
    assert (rough.top_ids[clear, 0] == true.top_ids[clear, 0]).mean() > 0.9


def test_a_masked_row_without_an_adapter_is_an_error(tiny_folder: Path) -> None:
    plain = KernelRuntime(tiny_folder, cache_bytes=CACHE)
    with pytest.raises(ValueError, match="needs an adapter"):
        plain.forward([tree(new_sequence(plain), 0, 2, [2])])


def test_a_network_that_the_kernels_do_not_take_is_refused_by_name(
    tiny_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "odd")
    path = tmp_path / "odd" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"head_dim": 24}))
    with pytest.raises(ModelConfigError, match=r"heads of 24.*--runtime torch"):
        KernelRuntime(tmp_path / "odd", cache_bytes=CACHE)
