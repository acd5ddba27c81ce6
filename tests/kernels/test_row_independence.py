"""A row of a pass gets the same bits whatever the other rows hold, as the kernels are split.

Without that, a token that is verified beside others might differ from the one decoded alone. Said
of the kernels in the interpreter; that a GPU keeps to it has to be seen on one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch

from midspan_kernels.attention import attend
from midspan_kernels.head import score_rows
from midspan_kernels.linear import FEW_ROWS, RowAdapter, multiply, useful_parts
from midspan_kernels.norm import add_and_norm
from midspan_kernels.rows import Batch
from midspan_kernels.weights import QuantisedWeight, quantise, quantise_as_floats

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("triton")
PAGE, PAGES = 32, 12
KEY_HEADS, GROUP, HEAD = 2, 7, 32
HOLDING: dict[str, Callable[[torch.Tensor], torch.Tensor | QuantisedWeight]] = {
    "dense": lambda weight: weight,
    "int8": partial(quantise, bits=8),
    "fp8": quantise_as_floats,
    "int4": partial(quantise, bits=4),
}


@pytest.fixture
def make() -> torch.Generator:
    return torch.Generator().manual_seed(11)


@pytest.mark.parametrize("held", HOLDING)
@pytest.mark.parametrize("rows", [2, 8, FEW_ROWS])
def test_a_product_alone_and_beside_rows_of_an_adapter(
    make: torch.Generator, held: str, rows: int
) -> None:
    dense, bias = torch.randn(70, 256, generator=make), torch.randn(70, generator=make)
    weight = HOLDING[held](dense)
    x = torch.randn(rows, 256, generator=make)
    adapter = RowAdapter(
        down=torch.randn(16, 256, generator=make),
        up=torch.randn(70, 16, generator=make),
        rows=torch.arange(rows) > 0,
    )
    alone = x[:1].contiguous()
    parts = useful_parts(alone, 70, 256)
    assert useful_parts(x, 70, 256) == parts
    together = multiply(x, weight, bias=bias, adapter=adapter, parts=parts)
    single = multiply(alone, weight, bias=bias, parts=parts)
    assert torch.equal(together[..., :1, :], single)


def test_the_split_of_a_product_is_the_same_for_all_few_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("midspan_kernels.linear.processors", lambda _tensor: 132)
    for outputs, inputs in ((896, 4864), (896, 896), (3584, 18944)):
        counts = {
            useful_parts(torch.empty(rows, 1), outputs, inputs) for rows in range(1, FEW_ROWS + 1)
        }
        assert len(counts) == 1
    assert useful_parts(torch.empty(1, 1), 896, 4864) > 1


@pytest.mark.parametrize("rows", [2, 5, FEW_ROWS])
def test_a_row_attends_alone_and_before_others(make: torch.Generator, rows: int) -> None:
    """`most_rows` is the bucket's, one number for all few rows."""
    keys, values = (torch.randn(PAGES, KEY_HEADS, PAGE, HEAD, generator=make) for _ in range(2))
    query = torch.randn(rows, KEY_HEADS * GROUP, HEAD, generator=make)
    behind = torch.where(torch.arange(rows) < 2, -1, 0).int()

    def batch(count: int) -> Batch:
        return Batch(
            firsts=torch.tensor([0, count], dtype=torch.int32),
            starts=torch.tensor([300], dtype=torch.int32),
            behind=behind[:count].contiguous(),
            pages=torch.randperm(PAGES, generator=torch.Generator().manual_seed(2)).int()[None],
            most_rows=FEW_ROWS,
            longest=PAGES * PAGE,
        )

    together = attend(query, keys, values, batch(rows))
    assert torch.equal(together[:1], attend(query[:1].contiguous(), keys, values, batch(1)))
    causal = attend(query[:2].contiguous(), keys, values, batch(2))
    assert torch.equal(together[:2], causal), "later rows are not seen"


@pytest.mark.parametrize("rows", [2, FEW_ROWS])
def test_the_head_judges_a_row_alone_and_beside_others(make: torch.Generator, rows: int) -> None:
    hidden, head = torch.randn(rows, 96, generator=make), torch.randn(1100, 96, generator=make)
    together = score_rows(hidden, head, ranked=8)
    single = score_rows(hidden[1:2].contiguous(), head, ranked=8)
    for name in ("tokens", "logprobs", "entropies", "log_normalisers", "ranked", "ranked_logits"):
        assert torch.equal(getattr(together, name)[1:2], getattr(single, name)), name


def test_a_row_is_normed_alone_and_beside_others(make: torch.Generator) -> None:
    residual = torch.randn(9, 896, generator=make)
    update = torch.randn(3, 9, 896, generator=make)
    weight = torch.randn(896, generator=make)
    single = add_and_norm(residual[4:5].clone(), update[:, 4:5].contiguous(), weight, 1e-6)
    assert torch.equal(add_and_norm(residual, update, weight, 1e-6)[4:5], single)
