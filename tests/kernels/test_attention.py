"""Block attention: the kernel against its twin, the twin against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_engine.runtime import rows
from midspan_engine.runtime.blocks import CachedSequence
from midspan_kernels.attention import attend
from midspan_kernels.reference import attention as reference
from midspan_kernels.rows import Batch
from midspan_kernels.tolerances import worst

Request = tuple[int, int, int, int]
"""Places before the rows, causal rows, blocks, rows of a block."""

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, Batch]


def random_inputs(
    requests: list[Request],
    *,
    heads: tuple[int, int] = (2, 7),
    size: int = 32,
    page: int = 16,
    kind: torch.dtype = torch.float32,
) -> Inputs:
    make = torch.Generator().manual_seed(len(requests))
    counts = [causal + blocks * cells for _, causal, blocks, cells in requests]
    starts = [start for start, *_ in requests]
    behind: list[int] = []
    for _, causal, blocks, cells in requests:
        behind += [-1] * causal + [block % causal for block in range(blocks) for _ in range(cells)]
    longest = max(start + count for start, count in zip(starts, counts, strict=True))
    each = -(-longest // page)
    total = each * len(requests)
    key_heads, group = heads
    batch = Batch(
        firsts=torch.tensor([0, *torch.tensor(counts).cumsum(0).tolist()]).int(),
        starts=torch.tensor(starts).int(),
        behind=torch.tensor(behind).int(),
        pages=torch.randperm(total, generator=make).int().view(len(requests), each),
        most_rows=max(counts),
        longest=longest,
    )
    query = torch.randn(sum(counts), key_heads * group, size, generator=make)
    keys = torch.randn(total, key_heads, page, size, generator=make)
    values = torch.randn(total, key_heads, page, size, generator=make)
    return query.to(kind), keys.to(kind), values.to(kind), batch


def assert_agree(inputs: Inputs) -> torch.Tensor:
    pytest.importorskip("triton")
    result, twin = attend(*inputs), reference.attend(*inputs)
    assert worst("attention", result, twin, result.dtype) <= 1
    return result


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "requests",
    [
        [(0, 1, 0, 0)],
        [(300, 1, 1, 8), (17, 5, 0, 0), (130, 9, 0, 0)],
        [(70, 4, 4, 4), (0, 3, 1, 5)],
        [(40, 9, 9, 8), (3, 1, 0, 0)],
    ],
)
def test_the_kernel_agrees_with_its_twin(kind: torch.dtype, requests: list[Request]) -> None:
    assert_agree(random_inputs(requests, kind=kind))


@settings(max_examples=40)
@given(
    requests=st.lists(
        st.tuples(st.integers(0, 90), st.integers(1, 6), st.integers(0, 6), st.integers(1, 4)),
        min_size=1,
        max_size=3,
    ),
    heads=st.sampled_from([(1, 1), (2, 6), (1, 16)]),
    size=st.sampled_from([16, 64]),
    page=st.sampled_from([1, 32]),
)
def test_any_batch_agrees(
    requests: list[Request], heads: tuple[int, int], size: int, page: int
) -> None:
    assert_agree(random_inputs(requests, heads=heads, size=size, page=page))


def test_a_part_of_which_a_row_sees_nothing_adds_nothing() -> None:
    """The first causal rows see no place of the last part."""
    query, keys, values, batch = random_inputs([(10, 60, 0, 0)], heads=(1, 1))
    assert_agree((query, keys, values, batch))


def test_scores_of_any_size_leave_no_nan_behind() -> None:
    query, keys, values, batch = random_inputs([(100, 3, 1, 4)])
    result = assert_agree((query * 1e4, keys * 1e4, values, batch))
    assert result.isfinite().all()


def test_what_is_not_seen_may_be_anything() -> None:
    """Places behind a request's rows, and pages of nobody, hold whatever was there before."""
    pytest.importorskip("triton")
    query, keys, values, batch = random_inputs([(20, 1, 1, 4), (3, 2, 0, 0)])
    result = attend(query, keys, values, batch)
    page = keys.shape[2]
    for request, used in enumerate((25, 5)):
        for place in range(used, batch.pages.shape[1] * page):
            here = int(batch.pages[request, place // page])
            keys[here, :, place % page] = torch.inf
            values[here, :, place % page] = torch.nan
    assert torch.equal(attend(query, keys, values, batch), result)


def test_the_twin_is_attention_as_torch_has_it() -> None:
    query, keys, values, batch = random_inputs([(40, 6, 0, 0)], heads=(2, 3))
    places = torch.arange(46)
    mine = reference.gather(keys, batch.pages[0], places).transpose(0, 1)
    theirs = reference.gather(values, batch.pages[0], places).transpose(0, 1)
    mask = torch.ones(6, 46, dtype=torch.bool).tril(40)
    wanted = torch.nn.functional.scaled_dot_product_attention(
        query.transpose(0, 1), mine, theirs, attn_mask=mask, enable_gqa=True
    )
    torch.testing.assert_close(reference.attend(query, keys, values, batch), wanted.transpose(0, 1))


def test_rows_see_what_the_engine_says() -> None:
    behind = np.array([-1, -1, -1, 0, 0, 2, 2, 2], np.int32)
    group = rows.RowGroup(
        sequence=CachedSequence(),
        start=2,
        ids=np.zeros(8, np.int32),
        masked=behind >= 0,
        behind=behind,
        wanted=np.zeros(0, np.int32),
    )
    seen = reference.visible(torch.from_numpy(behind), 2)
    assert torch.equal(seen[:, 2:], torch.from_numpy(group.visible()))
    assert seen[:, :2].all()


def test_what_does_not_fit_is_refused() -> None:
    query, keys, values, batch = random_inputs([(4, 2, 0, 0)])
    with pytest.raises(ValueError, match="cannot share 2 key heads"):
        attend(query[:, :13].contiguous(), keys, values, batch)
    with pytest.raises(ValueError, match="head size must be one of"):
        attend(
            query[..., :24].contiguous(),
            keys[..., :24].contiguous(),
            values[..., :24].contiguous(),
            batch,
        )
    with pytest.raises(ValueError, match="power of two"):
        attend(query, keys[:, :, :12].contiguous(), values[:, :, :12].contiguous(), batch)
    with pytest.raises(ValueError, match=r"behind must be \[1\]"):
        attend(query[:1], keys, values, batch)
    many = random_inputs([(0, 1025, 0, 0)], heads=(1, 1))
    with pytest.raises(ValueError, match="split the pass"):
        attend(*many)
