"""The runtime for GPUs: passes of our kernels over a paged cache, captured as CUDA graphs.

On a CPU the kernels' plain-torch twins run through the same code, and passes are padded as for a
graph, so that no line is first seen on a GPU.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from midspan_engine.models.adapter import merge_adapter
from midspan_engine.models.config import ModelConfigError, TransformerConfig
from midspan_engine.models.transformer import Transformer
from midspan_engine.runtime.blocks import BlockPool
from midspan_engine.runtime.kernel_buckets import Ladder, pack
from midspan_engine.runtime.kernel_cache import DeviceFull, make_storage
from midspan_engine.runtime.kernel_graphs import PassGraphs
from midspan_engine.runtime.kernel_layers import KernelWeights, misfit
from midspan_engine.runtime.kernel_memory import full, with_room
from midspan_engine.runtime.kernel_network import KernelNetwork
from midspan_engine.runtime.kernel_rows import PassRows
from midspan_engine.runtime.kernel_scores import split_scores
from midspan_engine.runtime.rows import PassCount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.runtime.kernel_layers import Bits
    from midspan_engine.runtime.rows import RowGroup, RowScores

    Progress = Callable[[float, str], None]

_LOADING, _CAPTURING = 0.2, 0.4
"""Share of the start that is over when each begins; the rest is for who starts the engine."""
_CAPTURED = 0.8


class KernelRuntime:
    """See `rows.Runtime`.

    Args:
        folder: Model folder in Hugging Face layout.
        cache_bytes: Size of the key/value cache; smaller where the device has no room for it.
        device: "cpu" or "cuda".
        adapter: Low-rank weights for block rows.
        merge: Low-rank weights that are merged into the model's own.
        bits: 8 for 8-bit linears and head.
        ladder: To which shapes passes are padded.
        progress: Called with a share 0..1 and what is being done.

    Raises:
        ModelConfigError: the folder does not describe a network that the kernels run.
        DeviceFull: the device has too little memory.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache_bytes: int,
        device: str = "cpu",
        adapter: Adapter | None = None,
        merge: Adapter | None = None,
        bits: Bits = 16,
        ladder: Ladder | None = None,
        progress: Progress = lambda _share, _what: None,
    ) -> None:
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        kinds = {8: "int8", 16: "bf16" if device == "cuda" else "fp32"}
        self.name = f"kernels-{device}-{kinds[bits]}"
        self.config = TransformerConfig.from_folder(folder)
        self.has_adapter = adapter is not None
        self.count = PassCount()
        reason = misfit(self.config, adapter.rank if adapter else 0, bits)
        if reason:
            raise ModelConfigError(f"{folder} has {reason}; start the engine with --runtime torch")
        progress(_LOADING, "loading the weights")
        with torch.no_grad():  # not inference mode: `pool` writes outside of it
            weights = _load(folder, dtype, device, adapter, merge, bits)
            storage = make_storage(self.config, cache_bytes, dtype, device)
            self._network = KernelNetwork(self.config, weights, storage)
        self.pool = BlockPool(storage, self.config.rope_theta)
        self._ladder = ladder or Ladder()
        self._graphs = PassGraphs(self._network.hidden, device)
        self._head = _AskedHead(self._network, self._graphs)
        if device == "cuda":
            self.warm_up(lambda share, what: progress(_between(share), what))

    @torch.inference_mode()
    def warm_up(self, progress: Progress) -> None:
        """Capture the usual passes.

        Raises:
            DeviceFull: the device has too little memory.
        """
        try:
            self._graphs.warm_up(self._ladder.usual(adapted=self.has_adapter), progress)
        except torch.OutOfMemoryError as error:
            raise full() from error

    @torch.inference_mode()
    def forward(self, groups: Sequence[RowGroup]) -> list[RowScores]:
        """See `rows.Runtime.forward`.

        Raises:
            DeviceFull: the device has too little memory for this pass, even without graphs.
        """
        rows = PassRows.of(groups)
        if rows.adapted and not self.has_adapter:
            raise ValueError("a block row needs an adapter, and none is loaded")
        self.count.add(rows.rows)
        hidden, judged = with_room(
            self._graphs, f"a pass of {rows.rows} rows", partial(self._run, rows)
        )
        return split_scores(judged, hidden, [len(group.wanted) for group in groups], self._head)

    def settle(self) -> None:
        """Give back what loading left in torch's own cache."""
        torch.cuda.empty_cache()

    def _run(self, rows: PassRows, capture: bool) -> tuple[Tensor, NDArray[np.int32]]:
        """Hidden states of the wanted rows, and what the head says of them."""
        bucket = self._ladder.bucket(rows)
        # Before the pass, so that the head is launched while the pass still runs.
        wanted = torch.from_numpy(rows.wanted).to(self.pool.storage.device)
        hidden = self._graphs.run(bucket, pack(rows, bucket), capture=capture)
        hidden = hidden.index_select(0, wanted)  # a copy: the next pass writes over its output
        return hidden, self._network.judge(hidden).cpu().numpy()


class _AskedHead:
    """See `kernel_scores.Head`."""

    def __init__(self, network: KernelNetwork, graphs: PassGraphs) -> None:
        self._network, self._graphs = network, graphs

    @torch.inference_mode()
    def logits(
        self, hidden: Tensor, tokens: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """See `Head.logits`.

        Raises:
            DeviceFull: the device has too little memory.
        """
        asked = None if tokens is None else torch.from_numpy(tokens).to(hidden.device)
        found: NDArray[np.float32] = with_room(
            self._graphs,
            f"logits of {len(hidden)} rows",
            lambda _capture: self._network.logits(hidden, asked).cpu().numpy(),
        )
        return found


def _load(
    folder: Path,
    dtype: torch.dtype,
    device: str,
    adapter: Adapter | None,
    merge: Adapter | None,
    bits: Bits,
) -> KernelWeights:
    try:
        model = Transformer.from_folder(folder, dtype=dtype, device=device)
        if merge is not None:
            merge_adapter(model, merge.to(device))
        low = adapter.to(device) if adapter is not None else None
        return KernelWeights.take(model, low, bits)
    except torch.OutOfMemoryError as error:
        raise DeviceFull(
            f"the {device} device has no room for the weights; free some of its memory, take a "
            "smaller model, or start the engine with --runtime openvino"
        ) from error


def _between(share: float) -> float:
    return _CAPTURING + share * (_CAPTURED - _CAPTURING)
