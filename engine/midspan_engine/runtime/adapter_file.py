"""An adapter's arrays for runtimes without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterArrays:
    """Low-rank weights in float32.

    Attributes:
        mask_embedding: `[width]`.
        pairs: `(layer, projection)` to `a [rank, in]` and `b [out, rank]`, scale included in `b`.
    """

    mask_embedding: NDArray[np.float32]
    pairs: dict[tuple[int, str], tuple[NDArray[np.float32], NDArray[np.float32]]]

    def pair(self, layer: int, projection: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return `(a, b)` of one projection."""
        return self.pairs[layer, projection]
