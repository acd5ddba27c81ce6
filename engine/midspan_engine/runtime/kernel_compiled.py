"""The network where our kernels do not run: plain torch, through `torch.compile` where that works.

Passes, buckets and cache are those of `kernel_network`. CUDA graphs are captured by `PassGraphs`
as for the kernels, and not by the compiler's own mode "reduce-overhead": that one gives up where a
pass writes to its inputs, as every pass does to the cache.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch._dynamo import config as dynamo
from torch._dynamo.exc import TorchDynamoException
from torch.nn import functional

from midspan_engine.runtime.kernel_buckets import Ladder, pack, views
from midspan_engine.runtime.kernel_network import KernelNetwork, bits_of_ranks
from midspan_engine.runtime.kernel_plain import lay_out, run_layer
from midspan_engine.runtime.kernel_rows import PassRows
from midspan_engine.runtime.rows import TOP
from midspan_kernels.reference.norm import add_and_norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.runtime.kernel_buckets import Bucket
    from midspan_engine.runtime.kernel_layers import KernelWeights

    Step = Callable[..., Tensor]

COMPILED_LADDER = Ladder(rows=(8, 32, 128), pieces=(1, 8))
"""Compiling a shape takes seconds, so there are few."""
_MOST_SHAPES = 128
_logger = logging.getLogger(__name__)


class CompiledNetwork(KernelNetwork):
    """See `KernelNetwork`; its weights are dense.

    Only `prepare` compiles: a pass of a shape that was not prepared runs uncompiled, for nobody
    waits for a compiler at a keystroke.
    """

    def __init__(self, config: TransformerConfig, weights: KernelWeights, storage: Tensor) -> None:
        super().__init__(config, weights, storage)
        self._steps: dict[Bucket, Step] = {}
        # All shapes count as one function's, of which eight are allowed; and for good, since
        # another network may be compiled on another thread (`standby`).
        dynamo.recompile_limit = max(dynamo.recompile_limit, _MOST_SHAPES)

    def prepare(self, bucket: Bucket) -> None:
        """See `KernelNetwork.prepare`. Compiles once for all layers."""
        if self.failure:
            return
        self._steps[bucket] = torch.compile(run_layer, fullgraph=True, dynamic=False)
        nothing = torch.from_numpy(pack(PassRows.of([]), bucket)).to(self._storage.device)
        try:
            self.hidden(nothing, bucket)
        except TorchDynamoException as error:
            self._steps.clear()
            inner = getattr(error, "inner_exception", error)
            self.failure = f"torch.compile fails: {str(inner).strip().partition(chr(10))[0]}"
            _logger.warning("passes run uncompiled: %s", self.failure)

    @property
    def kind(self) -> str:
        """See `KernelNetwork.kind`."""
        return "eager" if self.failure else "compiled"

    def hidden(self, packed: Tensor, bucket: Bucket) -> Tensor:
        """See `KernelNetwork.hidden`."""
        rows = views(packed, bucket)
        layout = lay_out(rows, bucket, self._angles)
        step = self._steps.get(bucket, run_layer)
        stream = self._embed(rows["ids"])
        for layer, cache in zip(self._weights.layers, self._storage, strict=True):
            stream = step(stream, layer, cache, layout, self._config)
        return add_and_norm(stream, None, self._weights.last_norm, self._config.rms_norm_eps)

    def judge(self, hidden: Tensor) -> Tensor:
        """See `KernelNetwork.judge`; here the logits are in memory for a while."""
        logits = self.logits(hidden)
        top = logits.topk(TOP)
        return bits_of_ranks(top.indices.int(), top.values, logits.logsumexp(-1))

    def logits(self, hidden: Tensor, tokens: Tensor | None = None) -> Tensor:
        """See `KernelNetwork.logits`; in one product, rounded as the network is."""
        weight = self._weights.head.weight
        assert isinstance(weight, torch.Tensor)
        return functional.linear(hidden, weight if tokens is None else weight[tokens]).float()
