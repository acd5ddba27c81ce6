"""The compiled graph computes what the torch reference computes."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.adapters import Adapters
from midspan_engine.models.adapter import Adapter, load_adapter
from midspan_engine.models.adapter_file import AdapterError
from midspan_engine.models.config import TransformerConfig
from midspan_engine.runtime import create_runtime
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.openvino_runtime import OpenVinoRuntime
from midspan_engine.runtime.quantised import Merge
from midspan_engine.runtime.rows import RowGroup
from midspan_engine.runtime.torch_runtime import TorchRuntime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.models.adapter_file import AdapterArrays
    from midspan_engine.runtime.rows import RowScores, Runtime

    MergedFile = Callable[..., Merge]

CACHE = 4 * 1024 * 1024
IDS = [int(i) for i in np.random.default_rng(3).integers(0, 300, 90)]


@pytest.fixture(scope="module")
def exact(tiny_folder: Path, tiny_adapter: AdapterArrays) -> OpenVinoRuntime:
    return OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_adapter, arithmetic="exact")


@pytest.fixture(scope="module")
def reference(tiny_folder: Path) -> TorchRuntime:
    return TorchRuntime(tiny_folder, cache_bytes=CACHE)


def new_sequence(runtime: Runtime, length: int) -> CachedSequence:
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, length)
    return sequence


def run(runtime: Runtime, cuts: list[int], wanted: int = 3) -> RowScores:
    """Encode `IDS` in pieces that end at `cuts`; scores of the last rows."""
    sequence = new_sequence(runtime, len(IDS))
    start = 0
    for end in cuts:
        piece = IDS[start:end]
        rows = range(max(0, len(piece) - wanted), len(piece))
        scores = runtime.forward([RowGroup.causal(sequence, start, piece, rows)])[0]
        start = end
    return scores


def assert_close(first: RowScores, second: RowScores, tolerance: float = 2e-4) -> None:
    np.testing.assert_allclose(first.logits, second.logits, atol=tolerance, rtol=tolerance)
    np.testing.assert_array_equal(first.top_ids[:, 0], second.top_ids[:, 0])
    np.testing.assert_allclose(first.log_normaliser, second.log_normaliser, atol=tolerance)


def test_logits_equal_the_torch_reference(exact: OpenVinoRuntime, reference: TorchRuntime) -> None:
    assert_close(run(exact, [90]), run(reference, [90]))


@pytest.mark.parametrize("cuts", [[40, 90], [1, 2, 33, 64, 65, 90], [89, 90]])
def test_a_context_in_pieces_equals_one_pass(exact: OpenVinoRuntime, cuts: list[int]) -> None:
    assert_close(run(exact, cuts, wanted=1), run(exact, [90], wanted=1))


def test_sequences_that_share_a_pass_do_not_see_each_other(exact: OpenVinoRuntime) -> None:
    first, second = new_sequence(exact, 60), new_sequence(exact, 60)
    exact.forward([RowGroup.causal(first, 0, IDS[:20])])
    together = exact.forward(
        [
            RowGroup.causal(first, 20, IDS[20:25], [4]),
            RowGroup.causal(second, 0, IDS[30:70], [0, 39]),
        ]
    )
    copies = [np.array(scores.logits) for scores in together]
    third, fourth = new_sequence(exact, 60), new_sequence(exact, 60)
    alone = exact.forward([RowGroup.causal(third, 0, IDS[:25], [24])])[0]
    np.testing.assert_allclose(copies[0], alone.logits, atol=2e-4)
    alone = exact.forward([RowGroup.causal(fourth, 0, IDS[30:70], [0, 39])])[0]
    np.testing.assert_allclose(copies[1], alone.logits, atol=2e-4)


def block_group(sequence: CachedSequence, ids: list[int], masks: list[int]) -> RowGroup:
    """20 cached positions, two causal rows, then six block rows of which some are masked."""
    behind = np.array([-1] * 2 + [1] * 6, np.int32)
    masked = np.zeros(8, np.bool_)
    masked[masks] = True
    return RowGroup(
        sequence=sequence,
        start=20,
        ids=np.asarray(ids, np.int32),
        masked=masked,
        behind=behind,
        wanted=np.arange(8, dtype=np.int32),
    )


def block_scores(runtime: Runtime, ids: list[int], masks: list[int]) -> RowScores:
    sequence = new_sequence(runtime, 40)
    runtime.forward([RowGroup.causal(sequence, 0, IDS[:20])])
    return runtime.forward([block_group(sequence, ids, masks)])[0]


def test_masked_rows_see_each_other_in_both_directions(exact: OpenVinoRuntime) -> None:
    ids = IDS[20:28]
    before = np.array(block_scores(exact, ids, [2, 3, 4, 5, 6]).logits)
    after = np.array(block_scores(exact, [*ids[:7], ids[7] + 1], [2, 3, 4, 5, 6]).logits)
    np.testing.assert_array_equal(before[:2], after[:2])
    assert (np.abs(before[2:7] - after[2:7]).max(axis=1) > 1e-3).all()


def test_causal_rows_keep_the_frozen_weights(
    exact: OpenVinoRuntime, reference: TorchRuntime
) -> None:
    ids = IDS[20:28]
    mixed = block_scores(exact, ids, [2, 3, 4, 5, 6, 7])
    sequence = new_sequence(reference, 40)
    reference.forward([RowGroup.causal(sequence, 0, IDS[:20])])
    frozen = reference.forward([RowGroup.causal(sequence, 20, ids[:2], [0, 1])])[0]
    np.testing.assert_allclose(mixed.logits[:2], frozen.logits, atol=2e-4)


def tree_group(sequence: CachedSequence, start: int, ids: list[int], shape: list[int]) -> RowGroup:
    """Causal rows, then behind each of the last ones a block of as many masks as `shape` says."""
    first = len(ids) - len(shape)
    blocks = np.repeat(np.arange(first, len(ids)), shape)
    return RowGroup(
        sequence=sequence,
        start=start,
        ids=np.asarray([*ids, *[0] * len(blocks)], np.int32),
        masked=np.array([False] * len(ids) + [True] * len(blocks)),
        behind=np.concatenate([np.full(len(ids), -1), blocks]).astype(np.int32),
        wanted=np.arange(len(ids) + len(blocks), dtype=np.int32),
    )


@pytest.fixture(scope="module")
def adapted_reference(tiny_folder: Path, tiny_low_rank: Adapter) -> TorchRuntime:
    return TorchRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_low_rank)


@pytest.mark.parametrize(
    ("encoded", "shape"), [(0, [2, 3]), (20, [1, 1, 1]), (20, [3, 0, 2]), (33, [0, 4]), (31, [2])]
)
def test_blocks_behind_every_row_equal_the_torch_reference(
    exact: OpenVinoRuntime, adapted_reference: TorchRuntime, encoded: int, shape: list[int]
) -> None:
    def scores(runtime: Runtime) -> RowScores:
        sequence = new_sequence(runtime, 80)
        if encoded:
            runtime.forward([RowGroup.causal(sequence, 0, IDS[:encoded])])
        group = tree_group(sequence, encoded, IDS[encoded : encoded + 3], shape)
        other = new_sequence(runtime, 40)
        return runtime.forward([group, RowGroup.causal(other, 0, IDS[:5], [4])])[0]

    assert_close(scores(exact), scores(adapted_reference), tolerance=2e-3)


def test_a_block_does_not_see_what_is_behind_its_row(exact: OpenVinoRuntime) -> None:
    def logits(ids: list[int], shape: list[int], row: int) -> np.ndarray:
        sequence = new_sequence(exact, 80)
        exact.forward([RowGroup.causal(sequence, 0, IDS[:20])])
        scores = exact.forward([tree_group(sequence, 20, ids, shape)])[0]
        return np.array(scores.logits[row])

    ids = IDS[20:23]
    early = logits(ids, [2, 2, 2], 3)
    np.testing.assert_allclose(early, logits([ids[0], 7, 8], [2, 2, 2], 3), atol=1e-4)
    np.testing.assert_allclose(early, logits(ids[:1], [2], 1), atol=1e-4)
    assert np.abs(early - logits([7, *ids[1:]], [2, 2, 2], 3)).max() > 1e-3


def test_a_moved_suffix_scores_like_one_encoded_in_place(exact: OpenVinoRuntime) -> None:
    """One layer deep a moved key is exact; here the whole cache is moved, so all of it is."""
    first = new_sequence(exact, 80)
    exact.forward([RowGroup.causal(first, 0, IDS[:30])])
    exact.pool.put(first, 7, exact.pool.lift(first, 0, 30))
    # Attention depends on distances alone, so the same tokens seven places on score the same.
    moved = exact.forward([RowGroup.causal(first, 37, IDS[30:32], [1])])[0]
    moved_logits = np.array(moved.logits)
    second = new_sequence(exact, 80)
    exact.forward([RowGroup.causal(second, 0, IDS[:30])])
    kept = exact.forward([RowGroup.causal(second, 30, IDS[30:32], [1])])[0]
    assert np.abs(moved_logits - kept.logits).max() > 1e-3, "positions 0 to 6 are read too"
    exact.pool.put(first, 0, exact.pool.lift(first, 7, 30))
    back = exact.forward([RowGroup.causal(first, 30, IDS[30:32], [1])])[0]
    np.testing.assert_allclose(back.logits, kept.logits, atol=1e-3)


def test_a_masked_row_without_an_adapter_is_an_error(tiny_folder: Path) -> None:
    plain = OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, arithmetic="exact")
    sequence = new_sequence(plain, 40)
    with pytest.raises(ValueError, match="needs an adapter"):
        plain.forward([block_group(sequence, IDS[:8], [2, 3, 4, 5, 6, 7])])


def test_a_merged_infilling_adapter_gives_the_references_logits(
    tiny_folder: Path, merged_file: MergedFile, exact: OpenVinoRuntime
) -> None:
    infill = merged_file("infill")
    merged = OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, merge=infill, arithmetic="exact")
    config = TransformerConfig.from_folder(tiny_folder)
    adapter, _ = load_adapter(infill.path, config, base_sha256="b" * 64, kind="infill")
    reference = TorchRuntime(tiny_folder, cache_bytes=CACHE, merge=adapter)
    scores = run(merged, [90])
    assert_close(scores, run(reference, [90]), tolerance=1e-3)
    assert np.abs(scores.logits - run(exact, [90]).logits).max() > 0.1


def test_a_damaged_infilling_adapter_is_refused_by_name(
    tiny_folder: Path, merged_file: MergedFile
) -> None:
    infill = merged_file("infill")
    infill.path.write_bytes(infill.path.read_bytes()[:-50])
    with pytest.raises(AdapterError, match=r"infill\.safetensors is missing or damaged"):
        OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, merge=infill)
    other = Merge(merged_file("infill").path, "e" * 64)
    with pytest.raises(AdapterError, match="was trained for tiny"):
        OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, merge=other)


@pytest.fixture
def both(merged_file: MergedFile) -> Adapters:
    """Adapters of both kinds that are merged."""
    infill = merged_file("infill")
    edits = merged_file("edits", kind="edits", seed=6)
    return Adapters(base_sha256="b" * 64, infill=infill.path, edits=edits.path)


def test_weights_for_next_edits_have_their_own_adapter_merged(
    tiny_folder: Path, both: Adapters
) -> None:
    create = partial(create_runtime, tiny_folder, cache_bytes=CACHE, adapters=both)
    ours, reference = (
        run(create(name=name, for_edits=True), [90]) for name in ("openvino-fp32", "torch")
    )
    assert_close(ours, reference, tolerance=1e-3)
    usual = run(create(name="openvino-fp32"), [90])
    assert np.abs(usual.logits - ours.logits).max() > 0.1


def test_the_engine_does_not_need_torch(tiny_folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from midspan_engine.runtime import create_runtime\n"
        "from midspan_engine.service import process\n"
        f"create_runtime(Path({str(tiny_folder)!r}), name='openvino', cache_bytes=1 << 20)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.stdout.strip() == "False"


def test_block_rows_equal_the_torch_reference_with_the_same_adapter(
    exact: OpenVinoRuntime, adapted_reference: TorchRuntime
) -> None:
    for masks in ([2, 3, 4, 5, 6, 7], [2, 4, 7]):
        expected = block_scores(adapted_reference, IDS[20:28], masks)
        assert_close(block_scores(exact, IDS[20:28], masks), expected, tolerance=2e-3)
