"""Logits of rows that a pass left behind, for who asks for more than the pass said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from midspan_engine.runtime.kernel_memory import with_room

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from midspan_engine.runtime.kernel_graphs import PassGraphs
    from midspan_engine.runtime.kernel_network import KernelNetwork
    from midspan_engine.runtime.kernel_transfer import Transfers


class AskedHead:
    """See `kernel_scores.Head`.

    Args:
        network: Whose head it is.
        graphs: Make room where memory is short.
        transfers: Take tokens to the device and logits back.

    All methods raise `DeviceFull` where the device has too little memory.
    """

    def __init__(self, network: KernelNetwork, graphs: PassGraphs, transfers: Transfers) -> None:
        self._network, self._graphs, self._transfers = network, graphs, transfers

    @torch.inference_mode()
    def logits(
        self, hidden: Tensor, tokens: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """See `Head.logits`."""
        asked = None if tokens is None else self._transfers.send("tokens", tokens)
        found: NDArray[np.float32] = with_room(
            self._graphs,
            f"logits of {len(hidden)} rows",
            lambda _capture: self._transfers.fetch(self._network.logits(hidden, asked)),
        )
        return found

    @torch.inference_mode()
    def pairs(
        self, hidden: Tensor, rows: NDArray[np.int32], tokens: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """See `Head.pairs`."""
        chosen = self._transfers.send("rows of pairs", rows)
        asked = self._transfers.send("tokens", tokens)
        found: NDArray[np.float32] = with_room(
            self._graphs,
            f"logits of {len(rows)} tokens",
            lambda _capture: self._transfers.fetch(
                self._network.pair_logits(hidden.index_select(0, chosen), asked)
            ),
        )
        return found
