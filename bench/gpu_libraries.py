"""What a user would take instead of a kernel, where it is installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from midspan_kernels.reference.attention import gather, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from midspan_kernels.linear import RowAdapter
    from midspan_kernels.rows import Batch

    Libraries = dict[str, Callable[[], object]]


def score_plainly(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Head, softmax, two best and entropy, each an operation of its own."""
    shares = functional.linear(hidden, weight).float().log_softmax(-1)
    top = shares.topk(2)
    return top.indices, top.values, -(shares.exp() * shares).sum(-1)


def rank_plainly(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Head, the 8 best and the logarithm of the sum."""
    logits = functional.linear(hidden, weight).float()
    top = logits.topk(8)
    return top.indices, top.values, logits.logsumexp(-1)


def attention_libraries(query: Tensor, keys: Tensor, values: Tensor, batch: Batch) -> Libraries:
    """Torch's attention behind a gather of the pages; FlashInfer with a mask for each request."""
    requests, rows = batch.starts.shape[0], batch.most_rows
    start = batch.longest - rows
    places = torch.arange(batch.longest, device=query.device)
    mask = visible(batch.behind[:rows], start)

    def torch_attention() -> Tensor:
        gathered = [
            torch.stack([gather(cache, pages, places) for pages in batch.pages]).transpose(1, 2)
            for cache in (keys, values)
        ]
        return functional.scaled_dot_product_attention(
            query.view(requests, rows, *query.shape[1:]).transpose(1, 2),
            gathered[0],
            gathered[1],
            attn_mask=mask,
            enable_gqa=True,
        )

    found: Libraries = {"torch": torch_attention}
    if query.is_cuda and find_spec("flashinfer") is not None:
        found["flashinfer"] = _flashinfer(query, keys, values, batch, mask)
    return found


def _flashinfer(
    query: Tensor, keys: Tensor, values: Tensor, batch: Batch, mask: Tensor
) -> Callable[[], object]:
    flashinfer = import_module("flashinfer")
    workspace = torch.empty(128 * 2**20, dtype=torch.uint8, device=query.device)
    wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(workspace, "HND")
    requests, each = batch.pages.shape
    page = keys.shape[2]
    wrapper.plan(
        batch.firsts,
        torch.arange(0, requests * each + 1, each, dtype=torch.int32, device=query.device),
        batch.pages.reshape(-1),
        torch.full_like(batch.starts, (batch.longest - 1) % page + 1),
        query.shape[1],
        keys.shape[1],
        query.shape[2],
        page,
        custom_mask=mask.reshape(-1).repeat(requests),
        q_data_type=query.dtype,
    )
    return lambda: wrapper.run(query, (keys, values))


def linear_libraries(x: Tensor, dense: Tensor, adapter: RowAdapter, held: str) -> Libraries:
    """A dense product, and torchao's of such weights, each with the adapter on its rows."""

    def added(product: Tensor) -> Tensor:
        low_rank = functional.linear(functional.linear(x, adapter.down), adapter.up)
        return product + low_rank * adapter.rows[:, None]

    found: Libraries = {"torch": lambda: added(functional.linear(x, dense))}
    if x.is_cuda and held in _TORCHAO and find_spec("torchao") is not None:
        quantised = _torchao(dense, held)
        found["torchao"] = lambda: added(quantised(x))
    return found


_TORCHAO: dict[str, tuple[str, dict[str, object]]] = {
    "int8": ("Int8WeightOnlyConfig", {}),
    "fp8": ("Float8WeightOnlyConfig", {}),
    "int4": (
        "Int4WeightOnlyConfig",
        {"group_size": 128, "int4_packing_format": "tile_packed_to_4d"},
    ),
}


def _torchao(dense: Tensor, held: str) -> torch.nn.Module:
    quantization = import_module("torchao.quantization")
    outputs, inputs = dense.shape
    layer = torch.nn.Linear(inputs, outputs, bias=False, device=dense.device, dtype=dense.dtype)
    layer.weight.data.copy_(dense)
    whole = torch.nn.Sequential(layer)
    config, options = _TORCHAO[held]
    quantization.quantize_(whole, getattr(quantization, config)(**options))
    return whole
