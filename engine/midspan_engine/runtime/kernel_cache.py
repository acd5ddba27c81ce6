"""The paged cache on a device: as large as was asked for, or as there is memory for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from midspan_engine.protocol import MidspanError
from midspan_engine.runtime.blocks import BLOCK

if TYPE_CHECKING:
    from midspan_engine.models.config import TransformerConfig

FEWEST_BLOCKS = 64
"""2,048 positions: one prompt and its answer."""
_MIB = 1024 * 1024
_SPARE_BYTES = {"cuda": 256 * _MIB, "cpu": 0}
"""Left for graphs and what passes compute: the first pass would find no room beside the cache."""
_logger = logging.getLogger(__name__)


class DeviceFull(MidspanError):  # noqa: N818  named for what is wrong
    """The device's memory is used up; the message says what to set."""


def make_storage(
    config: TransformerConfig, cache_bytes: int, dtype: torch.dtype, device: str
) -> torch.Tensor:
    """What `blocks.BlockPool` pages, which is also what the kernels read and write.

    Where the device has too little memory, half as many blocks are tried until there are
    `FEWEST_BLOCKS`, or as few as were asked for.

    Raises:
        DeviceFull: not even those fit.
    """
    layers, heads = config.num_hidden_layers, config.num_key_value_heads
    block_bytes = layers * 2 * heads * BLOCK * config.head_dim * dtype.itemsize
    blocks = max(2, cache_bytes // block_bytes)
    fewest = min(blocks, FEWEST_BLOCKS)
    while True:
        shape = (layers, 2, blocks, heads, BLOCK, config.head_dim)
        try:
            spare = torch.empty(_SPARE_BYTES[device], dtype=torch.uint8, device=device)
            storage = torch.zeros(shape, dtype=dtype, device=device)
        except torch.OutOfMemoryError as error:
            size = blocks * block_bytes / _MIB
            if blocks == fewest:
                raise DeviceFull(
                    f"the {device} device has no room for a context cache of {size:.0f} MB beside "
                    f"the weights; free some of its memory, take a smaller model, or start the "
                    f"engine with --cache-mb below {max(1, size):.0f}"
                ) from error
        else:
            del spare
            return storage
        blocks = max(fewest, blocks // 2)
        _logger.warning(
            "no room for a context cache of %.0f MB; trying %.0f MB (--cache-mb sets it)",
            size,
            blocks * block_bytes / _MIB,
        )
