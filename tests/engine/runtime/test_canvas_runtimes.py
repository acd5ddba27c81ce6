"""Canvas runtimes agree with each other, and their cache with a computation from scratch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.models.config import ModelConfigError
from midspan_engine.models.family import read_family
from midspan_engine.runtime import RuntimeMissing, create_canvas_runtime
from midspan_engine.runtime.canvas_openvino import OpenVinoCanvasRuntime
from midspan_engine.runtime.canvas_rows import CanvasPass, ContextCache
from midspan_engine.runtime.canvas_torch import TorchCanvasRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.runtime.canvas_rows import CanvasRuntime

MASK = 8
IDS = np.random.default_rng(1).integers(20, 300, 60).astype(np.int32)
SPAN = np.array([40, MASK, MASK, 77, MASK], np.int32)
PLACES = np.array([1, 2, 4], np.int32)


@pytest.fixture(scope="module")
def torch_runtime(canvas_folder: Path, canvas_family: ModelFamily) -> TorchCanvasRuntime:
    return TorchCanvasRuntime(canvas_folder, canvas_family)


@pytest.fixture(scope="module")
def exact(canvas_folder: Path, canvas_family: ModelFamily) -> OpenVinoCanvasRuntime:
    return OpenVinoCanvasRuntime(canvas_folder, canvas_family, exact=True, threads=1)


@pytest.fixture(scope="module")
def int8(canvas_folder: Path, canvas_family: ModelFamily) -> OpenVinoCanvasRuntime:
    return OpenVinoCanvasRuntime(canvas_folder, canvas_family)


@pytest.fixture(scope="module")
def of_one_layer(make_canvas_folder: Callable[..., Path]) -> list[CanvasRuntime]:
    folder = make_canvas_folder(layers=1)
    family = read_family(folder)
    return [
        TorchCanvasRuntime(folder, family),
        OpenVinoCanvasRuntime(folder, family, exact=True),
    ]


def context(prefix: int = 30, suffix: int = 12) -> ContextCache:
    return ContextCache(prefix=IDS[:prefix], suffix=IDS[40 : 40 + suffix])


def run(
    runtime: CanvasRuntime,
    around: ContextCache,
    slots: Sequence[NDArray[np.int32]],
    wanted: Sequence[NDArray[np.int32]],
    *,
    refresh: bool = False,
    hidden: int = 0,
    near: int = 0,
) -> tuple[NDArray[np.float32], ...]:
    one = CanvasPass(
        context=around,
        slots=tuple(slots),
        wanted=tuple(wanted),
        refresh=refresh,
        hidden_suffix=hidden,
        near=near,
    )
    return runtime.forward([one])[0].logits


def every_kind_of_pass(
    runtime: CanvasRuntime, prefix: int, suffix: int
) -> list[NDArray[np.float32]]:
    around = context(prefix, suffix)
    longer = np.array([40, MASK, MASK, MASK, 77, MASK, MASK], np.int32)
    probe = np.concatenate([SPAN, np.full(3, MASK, np.int32)])
    two = (PLACES, np.array([1, 6], np.int32))
    ends = np.array([5, 6, 7], np.int32)
    return [
        *run(runtime, around, [SPAN], [PLACES], refresh=True),
        *run(runtime, around, [SPAN], [PLACES]),
        *run(runtime, around, [SPAN, longer], two),
        *run(runtime, around, [probe], [ends], hidden=min(3, suffix)),
        *run(runtime, around, [longer, SPAN], (two[1], two[0]), near=4),
    ]


@pytest.mark.parametrize(("prefix", "suffix"), [(30, 12), (0, 12), (30, 0), (0, 0), (1, 2)])
def test_the_graph_computes_what_torch_computes(
    torch_runtime: TorchCanvasRuntime, exact: OpenVinoCanvasRuntime, prefix: int, suffix: int
) -> None:
    theirs = every_kind_of_pass(exact, prefix, suffix)
    for mine, other in zip(every_kind_of_pass(torch_runtime, prefix, suffix), theirs, strict=True):
        assert np.isfinite(mine).all()
        np.testing.assert_allclose(mine, other, atol=1e-4, rtol=1e-4)


def test_int8_is_close(torch_runtime: TorchCanvasRuntime, int8: OpenVinoCanvasRuntime) -> None:
    pairs = zip(
        every_kind_of_pass(torch_runtime, 30, 12), every_kind_of_pass(int8, 30, 12), strict=True
    )
    for mine, other in pairs:
        assert np.corrcoef(mine.ravel(), other.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("suffix", [0, 12])
def test_the_cache_is_exact_while_the_span_stays(
    torch_runtime: TorchCanvasRuntime, exact: OpenVinoCanvasRuntime, suffix: int
) -> None:
    for runtime in (torch_runtime, exact):
        around = context(suffix=suffix)
        fresh = run(runtime, around, [SPAN], [PLACES], refresh=True)[0]
        again = run(runtime, around, [SPAN], [PLACES])[0]
        np.testing.assert_allclose(fresh, again, atol=1e-4)


def test_slots_do_not_see_each_other(
    torch_runtime: TorchCanvasRuntime, exact: OpenVinoCanvasRuntime
) -> None:
    shorter, longer = SPAN[:2], np.tile(SPAN, 3)
    for runtime in (torch_runtime, exact):
        around = context()
        run(runtime, around, [SPAN], [PLACES], refresh=True)
        slots, wanted = [shorter, SPAN, longer], [PLACES[:1], PLACES, PLACES]
        together = run(runtime, around, slots, wanted)
        for slot, places, logits in zip(slots, wanted, together, strict=True):
            alone = run(runtime, around, [slot], [places])[0]
            np.testing.assert_allclose(alone, logits, atol=1e-4)


@pytest.mark.parametrize("length", [1, 4, 9])
def test_the_suffix_moves_with_the_length_of_a_slot(
    of_one_layer: list[CanvasRuntime], length: int
) -> None:
    """In the first layer keys and values depend on token and position only."""
    slot = np.full(length, MASK, np.int32)
    places = np.arange(length, dtype=np.int32)
    for runtime in of_one_layer:
        moved = context()
        run(runtime, moved, [SPAN], [PLACES], refresh=True)
        got = run(runtime, moved, [slot], [places])[0]
        expected = run(runtime, context(), [slot], [places], refresh=True)[0]
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_what_a_probe_asks_for_is_hidden_from_it(of_one_layer: list[CanvasRuntime]) -> None:
    """Masks stand where the first suffix tokens stood, and what follows them stays in its place."""
    probe = np.concatenate([SPAN, np.full(3, MASK, np.int32)])
    places = np.array([5, 6, 7], np.int32)
    for runtime in of_one_layer:
        around = context()
        run(runtime, around, [SPAN], [PLACES], refresh=True)
        got = run(runtime, around, [probe], [places], hidden=3)[0]
        without = ContextCache(prefix=around.prefix, suffix=around.suffix[3:])
        expected = run(runtime, without, [probe], [places], refresh=True)[0]
        np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("near", [30, 99])
def test_a_window_over_the_whole_context_is_a_computation_from_scratch(
    torch_runtime: TorchCanvasRuntime, exact: OpenVinoCanvasRuntime, near: int
) -> None:
    longer = np.array([40, 60, MASK, 61, 77, MASK, MASK], np.int32)
    places = np.array([2, 5, 6], np.int32)
    for runtime in (torch_runtime, exact):
        around = context()
        run(runtime, around, [SPAN], [PLACES], refresh=True)
        got = run(runtime, around, [longer], [places], near=near)[0]
        expected = run(runtime, context(), [longer], [places], refresh=True)[0]
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_wider_window_is_nearer_to_a_computation_from_scratch(
    torch_runtime: TorchCanvasRuntime,
) -> None:
    longer = np.array([40, 60, MASK, 61, 77, MASK, MASK], np.int32)
    places = np.array([2, 5, 6], np.int32)
    expected = run(torch_runtime, context(), [longer], [places], refresh=True)[0]
    around = context()
    run(torch_runtime, around, [SPAN], [PLACES], refresh=True)
    off = [
        np.abs(run(torch_runtime, around, [longer], [places], near=near)[0] - expected).mean()
        for near in (0, 12, 30)
    ]
    assert off[0] > off[1] > off[2]


@pytest.mark.parametrize("tokens", [8, 11])
def test_blocks_do_not_see_what_comes_after_them(
    canvas_folder: Path, canvas_family: ModelFamily, tokens: int
) -> None:
    family = dataclasses.replace(canvas_family, decoding="block", block=4)
    runtime = TorchCanvasRuntime(canvas_folder, family)
    start = tokens // 4 * 4
    lead = IDS[start:tokens]
    first = np.concatenate([lead, np.full(4 - len(lead), MASK, np.int32)])
    two = np.concatenate([first, np.full(4, MASK, np.int32)])
    around = ContextCache(prefix=IDS[:start], suffix=IDS[:0])
    places = np.array([len(first) - 1], np.int32)
    alone = run(runtime, around, [first], [places], refresh=True)[0]
    grown = run(runtime, around, [two], [places])[0]
    np.testing.assert_allclose(alone, grown, atol=1e-4)
    whole = ContextCache(prefix=IDS[:start], suffix=IDS[:0])
    last = np.array([len(two) - 1], np.int32)
    fresh = run(runtime, whole, [two], [last], refresh=True)[0]
    np.testing.assert_allclose(run(runtime, around, [two], [last])[0], fresh, atol=1e-4)


def test_rows_are_counted(exact: OpenVinoCanvasRuntime) -> None:
    before = dataclasses.replace(exact.count)
    around = context()
    run(exact, around, [SPAN], [PLACES], refresh=True)
    run(exact, around, [SPAN, SPAN], [PLACES, PLACES])
    run(exact, around, [SPAN], [PLACES], near=20)
    assert exact.count.passes - before.passes == 3
    assert exact.count.rows - before.rows == (42 + 5) + 10 + (20 + 5 + 12)


def test_models_of_blocks_need_torch(canvas_folder: Path, canvas_family: ModelFamily) -> None:
    family = dataclasses.replace(canvas_family, decoding="block", block=4)
    with pytest.raises(RuntimeMissing, match="--runtime torch"):
        create_canvas_runtime(canvas_folder, family, name="openvino")
    assert create_canvas_runtime(canvas_folder, family).name == "torch-cpu"


def test_weights_that_are_missing_are_refused(canvas_family: ModelFamily, tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError):
        OpenVinoCanvasRuntime(tmp_path, canvas_family)
