"""int8 weights of both kinds: what they compute, and the file that keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.adapters import Adapters
from midspan_engine.runtime import create_runtime, quantised
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.openvino_runtime import OpenVinoRuntime
from midspan_engine.runtime.quantised import (
    Merge,
    best_kind,
    quantise,
    quantise_rows,
    quantised_path,
    read_quantised,
)
from midspan_engine.runtime.rows import RowGroup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.models.adapter_file import AdapterArrays
    from midspan_engine.runtime import RuntimeName
    from midspan_engine.runtime.quantised import Kind
    from midspan_engine.runtime.rows import RowScores

    MergedFile = Callable[..., Merge]

CACHE = 4 * 1024 * 1024
IDS = [int(i) for i in np.random.default_rng(3).integers(0, 300, 90)]


@pytest.fixture(params=["groups", "rows"])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def int8(tiny_folder: Path, tiny_adapter: AdapterArrays, kind: Kind) -> OpenVinoRuntime:
    return OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_adapter, arithmetic=kind)


@pytest.fixture(scope="module")
def exact(tiny_folder: Path, tiny_adapter: AdapterArrays) -> OpenVinoRuntime:
    return OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, adapter=tiny_adapter, arithmetic="exact")


def sequence_in(runtime: OpenVinoRuntime) -> CachedSequence:
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, 96)
    return sequence


def last_rows(runtime: OpenVinoRuntime, wanted: int) -> RowScores:
    rows = range(len(IDS) - wanted, len(IDS))
    return runtime.forward([RowGroup.causal(sequence_in(runtime), 0, IDS, rows)])[0]


def masked_rows(runtime: OpenVinoRuntime, masks: int) -> RowScores:
    """Two causal rows and so many masks behind the second, after 20 tokens."""
    sequence = sequence_in(runtime)
    runtime.forward([RowGroup.causal(sequence, 0, IDS[:20])])
    group = RowGroup(
        sequence=sequence,
        start=20,
        ids=np.asarray([*IDS[20:22], *[0] * masks], np.int32),
        masked=np.array([False] * 2 + [True] * masks),
        behind=np.array([-1] * 2 + [1] * masks, np.int32),
        wanted=np.arange(2 + masks, dtype=np.int32),
    )
    return runtime.forward([group])[0]


def assert_same_order(rough: RowScores, true: RowScores, least: int) -> None:
    clear = true.top_logits[:, 0] - true.top_logits[:, 1] > 0.5
    assert clear.sum() >= least
    assert (rough.top_ids[clear, 0] == true.top_ids[clear, 0]).mean() > 0.9


def test_either_kind_can_be_asked_for_by_name(tiny_folder: Path, kind: Kind) -> None:
    asked: RuntimeName = "openvino-groups" if kind == "groups" else "openvino-rows"
    chosen = create_runtime(tiny_folder, name=asked, cache_bytes=CACHE)
    assert chosen.name == {"groups": "openvino-int8", "rows": "openvino-int8-rows"}[kind]


def test_clear_predictions_keep_their_order(int8: OpenVinoRuntime, exact: OpenVinoRuntime) -> None:
    assert_same_order(last_rows(int8, 60), last_rows(exact, 60), least=20)


def test_clear_predictions_of_masks_keep_their_order(
    int8: OpenVinoRuntime, exact: OpenVinoRuntime
) -> None:
    assert_same_order(masked_rows(int8, 12), masked_rows(exact, 12), least=5)


def test_logits_are_near_those_of_float32(int8: OpenVinoRuntime, exact: OpenVinoRuntime) -> None:
    rough, true = last_rows(int8, 60).logits, last_rows(exact, 60).logits
    assert np.abs(rough - true).mean() < 0.05 * true.std()


def test_a_rows_result_does_not_depend_on_its_company(int8: OpenVinoRuntime) -> None:
    """Verified decoding is exactly greedy only if this holds; the real weights are tested too."""
    sequence = sequence_in(int8)
    int8.forward([RowGroup.causal(sequence, 0, IDS[:40])])
    seen = set()
    for rows in (1, 2, 3, 8, 17, 33):
        wanted = list(range(rows))
        scores = int8.forward([RowGroup.causal(sequence, 40, IDS[40 : 40 + rows], wanted)])[0]
        place, slot = int8.pool.places(sequence, 40, 1)
        seen.add((scores.logits[0].tobytes(), int8.pool.storage[:, :, place, :, slot].tobytes()))
    assert len(seen) == 1


def test_a_causal_row_is_the_same_beside_masks_and_without_the_adapter(
    tiny_folder: Path, int8: OpenVinoRuntime, kind: Kind
) -> None:
    plain = OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, arithmetic=kind)
    seen = {masked_rows(int8, masks).logits[0].tobytes() for masks in (1, 5, 12)}
    sequence = sequence_in(plain)
    plain.forward([RowGroup.causal(sequence, 0, IDS[:20])])
    seen.add(plain.forward([RowGroup.causal(sequence, 20, IDS[20:22], [0])])[0].logits[0].tobytes())
    assert len(seen) == 1


@pytest.mark.parametrize("kind", ["rows"])
def test_rows_that_fill_up_a_pass_belong_to_nobody(int8: OpenVinoRuntime) -> None:
    """40 rows are computed as 48: neither the cache nor the scores of others show it."""
    everything = CachedSequence()
    int8.pool.reserve(everything, int8.pool.capacity * 32 - 96)
    sequence = sequence_in(int8)
    assert not int8.pool.free_blocks
    before = int8.pool.storage[:, :, everything.blocks].copy()
    scores = int8.forward([RowGroup.causal(sequence, 0, IDS[:40], [39])])
    assert [len(one.logits) for one in scores] == [1]
    np.testing.assert_array_equal(int8.pool.storage[:, :, everything.blocks], before)
    alone = int8.forward([RowGroup.causal(sequence, 39, IDS[39:40], [0])])[0].logits[0]
    assert np.abs(alone - scores[0].logits[0]).max() < 1e-5


@pytest.mark.parametrize("rows", [16, 17, 31, 32, 33, 47, 90])
def test_passes_come_in_few_sizes_where_rows_cost_little(
    int8: OpenVinoRuntime, monkeypatch: pytest.MonkeyPatch, kind: Kind, rows: int
) -> None:
    sizes: list[int] = []
    set_rows = int8._set_rows

    def counting(groups: list[RowGroup]) -> None:
        sizes.append(sum(group.rows for group in groups))
        set_rows(groups)

    monkeypatch.setattr(int8, "_set_rows", counting)
    int8.forward([RowGroup.causal(sequence_in(int8), 0, IDS[:rows])])
    if kind == "groups":
        assert sizes == [rows]
    else:
        assert sizes[0] % 16 == 0
        assert rows <= sizes[0] <= rows + 17


def test_groups_restore_weights_within_half_a_step() -> None:
    weight = np.random.default_rng(0).standard_normal((6, 256)).astype(np.float32)
    values, scale = quantise(weight)
    assert values.shape == (6, 2, 128)
    restored = (values * scale.astype(np.float32)).reshape(6, 256)
    step = np.repeat(scale.astype(np.float32)[:, :, 0], 128, axis=1)
    assert (np.abs(restored - weight) <= step * 0.51).all()


def test_rows_restore_weights_within_half_a_step() -> None:
    weight = np.random.default_rng(0).standard_normal((6, 256)).astype(np.float32)
    weight[2] = 0
    values, scale = quantise_rows(weight)
    assert values.shape == (6, 256)
    assert (np.abs(values * scale - weight) <= scale * 0.501).all()


def test_a_damaged_int8_file_is_made_again(tiny_folder: Path, kind: Kind) -> None:
    path = quantised_path(tiny_folder, None, kind)
    OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, arithmetic=kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert read_quantised(path, kind) is None
    OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, arithmetic=kind)
    assert path.read_bytes() == whole


def test_a_file_of_the_other_kind_is_not_read(tiny_folder: Path) -> None:
    OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, arithmetic="rows")
    path = quantised_path(tiny_folder, None, "rows")
    assert read_quantised(path, "rows") is not None
    assert read_quantised(path, "groups") is None


def test_weights_of_another_merged_adapter_make_room(
    tiny_folder: Path, merged_file: MergedFile, kind: Kind
) -> None:
    def load(merge: Merge | None) -> None:
        OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, merge=merge, arithmetic=kind)

    load(None)
    first, second = merged_file("first"), merged_file("second", seed=6)
    load(first)
    paths = [quantised_path(tiny_folder, merge, kind) for merge in (None, first, second)]
    assert len(set(paths)) == 3
    assert [path.is_file() for path in paths] == [True, True, False]
    load(second)
    assert [path.is_file() for path in paths] == [True, False, True]


def test_weights_for_next_edits_stay_beside_those_for_completions(
    tiny_folder: Path, merged_file: MergedFile, kind: Kind
) -> None:
    adapters = Adapters(
        base_sha256="b" * 64,
        infill=merged_file("infill").path,
        edits=merged_file("edits", kind="edits", seed=6).path,
    )
    merges = [Merge.of(adapters), Merge.of(adapters, for_edits=True)]
    for merge in merges:
        OpenVinoRuntime(tiny_folder, cache_bytes=CACHE, merge=merge, arithmetic=kind)
    assert all(quantised_path(tiny_folder, merge, kind).is_file() for merge in merges)
    assert Merge.of(Adapters(base_sha256="b" * 64), for_edits=True) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [("flags : avx2 amx_tile amx_int8\n", "rows"), ("flags : avx2 avx512_vnni\n", "groups")],
)
def test_the_kind_follows_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, expected: str
) -> None:
    (tmp_path / "cpuinfo").write_text(said)
    monkeypatch.setattr(quantised, "_CPU_INFO", tmp_path / "cpuinfo")
    assert best_kind() == expected


def test_a_system_that_does_not_describe_its_processor_gets_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised, "_CPU_INFO", tmp_path / "missing")
    assert best_kind() == "groups"
