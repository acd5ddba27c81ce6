"""The runtime for GPUs: passes of our kernels over a paged cache, captured as CUDA graphs.

On a CPU the kernels' plain-torch twins run through the same code, and passes are padded as for a
graph, so that no line is first seen on a GPU. Where the kernels do not run, torch's compiler makes
passes out of plain torch (`kernel_compiled`), and everything else is the same.
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
from midspan_engine.runtime.kernel_head import AskedHead
from midspan_engine.runtime.kernel_layers import KernelWeights, misfit
from midspan_engine.runtime.kernel_memory import full, with_room
from midspan_engine.runtime.kernel_network import KernelNetwork
from midspan_engine.runtime.kernel_rows import PassRows
from midspan_engine.runtime.kernel_scores import split_scores
from midspan_engine.runtime.kernel_transfer import Transfers
from midspan_engine.runtime.rows import PassCount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.runtime.kernel_layers import Stored
    from midspan_engine.runtime.rows import RowGroup, RowScores

    Progress = Callable[[float, str], None]

_LOADING, _CAPTURING = 0.2, 0.4
"""Share of the start that is over when each begins; the rest is for who starts the engine."""
_CAPTURED = 0.8
_DTYPES = {torch.bfloat16: "bf16", torch.float32: "fp32"}


class KernelRuntime:
    """See `rows.Runtime`.

    Args:
        folder: Model folder in Hugging Face layout.
        cache_bytes: Size of the key/value cache; smaller where the device has no room for it.
        device: "cpu" or "cuda".
        adapter: Low-rank weights for block rows.
        merge: Low-rank weights that are merged into the model's own.
        stored: How linears and head are held.
        compiled: Run plain torch through torch's compiler instead of the kernels.
        reason: Why, where nobody asked for it; the name ends with it.
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
        stored: Stored = "dense",
        compiled: bool = False,
        reason: str = "",
        ladder: Ladder | None = None,
        progress: Progress = lambda _share, _what: None,
    ) -> None:
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self.config = TransformerConfig.from_folder(folder)
        self.has_adapter = adapter is not None
        self.count = PassCount()
        if not compiled and (problem := misfit(self.config, _rank(adapter), stored)):
            raise ModelConfigError(f"{folder} has {problem}; start the engine with --runtime torch")
        progress(_LOADING, "loading the weights")
        with torch.no_grad():  # not inference mode: `pool` writes outside of it
            weights = _load(folder, dtype, device, adapter, merge, stored)
            storage = make_storage(self.config, cache_bytes, dtype, device)
            network, usual = _network_kind(compiled)
            self._network = network(self.config, weights, storage)
        self.pool = BlockPool(storage, self.config.rope_theta)
        self._ladder = ladder or usual
        self._transfers = Transfers(device)
        self._graphs = PassGraphs(self._network.hidden, device, self._transfers)
        self._head = AskedHead(self._network, self._graphs, self._transfers)
        if device == "cuda" or compiled:
            self.warm_up(lambda share, what: progress(_between(share), what))
        held = _DTYPES[dtype] if stored == "dense" else stored
        self.name = f"{self._network.kind}-{device}-{held}"
        if reasons := ", ".join(filter(None, (reason, self._network.failure))):
            self.name += f" ({reasons})"

    @torch.inference_mode()
    def warm_up(self, progress: Progress) -> None:
        """Compile and capture the usual passes.

        Raises:
            DeviceFull: the device has too little memory.
        """
        try:
            usual = self._ladder.usual(adapted=self.has_adapter)
            self._graphs.warm_up(usual, progress, self._network.prepare)
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
        wanted = self._transfers.send("wanted", rows.wanted)
        hidden = self._graphs.run(bucket, pack(rows, bucket), capture=capture)
        hidden = hidden.index_select(0, wanted)  # a copy: the next pass writes over its output
        return hidden, self._transfers.fetch(self._network.judge(hidden))


def _network_kind(compiled: bool) -> tuple[type[KernelNetwork], Ladder]:
    """What runs passes, and to which shapes it likes them padded."""
    if not compiled:
        return KernelNetwork, Ladder()
    from midspan_engine.runtime import kernel_compiled  # noqa: PLC0415  torch's compiler is heavy

    return kernel_compiled.CompiledNetwork, kernel_compiled.COMPILED_LADDER


def _load(
    folder: Path,
    dtype: torch.dtype,
    device: str,
    adapter: Adapter | None,
    merge: Adapter | None,
    stored: Stored,
) -> KernelWeights:
    try:
        model = Transformer.from_folder(folder, dtype=dtype, device=device)
        if merge is not None:
            merge_adapter(model, merge.to(device))
        low = adapter.to(device) if adapter is not None else None
        return KernelWeights.take(model, low, stored)
    except torch.OutOfMemoryError as error:
        raise DeviceFull(
            f"the {device} device has no room for the weights; free some of its memory, take a "
            "smaller model, or start the engine with --runtime openvino"
        ) from error


def _rank(adapter: Adapter | None) -> int:
    return adapter.rank if adapter else 0


def _between(share: float) -> float:
    return _CAPTURING + share * (_CAPTURED - _CAPTURING)
