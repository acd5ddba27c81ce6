"""Copies between host and device that neither side waits for but once, for a pass's results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Transfers:
    """Through page-locked memory, which a device copies from by itself; on a CPU plain copies.

    Args:
        device: "cpu" or "cuda".
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._locks = device == "cuda"
        self._room: dict[str, Tensor] = {}
        self._sent: dict[str, torch.cuda.Event] = {}

    def send(self, name: str, values: NDArray[np.int32], into: Tensor | None = None) -> Tensor:
        """Begin to copy to the device.

        Args:
            name: Of the room that is copied from; two things of one pass need two names.
            values: Whatever shape.
            into: Takes them; a new tensor where it is None.

        Returns:
            What takes them, in whose place on the stream they are there.
        """
        if name in self._sent:
            # Long since, but for passes whose results nobody fetches.
            self._sent.pop(name).synchronize()
        staged = self._stage(name, values.size, torch.int32).view(values.shape)
        staged.copy_(torch.from_numpy(values))
        if into is None:
            into = torch.empty(values.shape, dtype=torch.int32, device=self._device)
        into.copy_(staged, non_blocking=True)
        if self._locks:
            self._sent[name] = _mark()
        return into

    def fetch(self, tensor: Tensor) -> NDArray[Any]:
        """Wait for a result, and for everything launched before it; an array of its own."""
        staged = self._stage("fetched", tensor.numel(), tensor.dtype).view(tensor.shape)
        staged.copy_(tensor, non_blocking=True)
        if self._locks:
            _mark().synchronize()
        found: NDArray[Any] = staged.numpy().copy()
        return found

    def _stage(self, name: str, count: int, dtype: torch.dtype) -> Tensor:
        room = self._room.get(name)
        if room is None or room.dtype != dtype or len(room) < count:
            # To a power of two, for locking memory is slow.
            size = 1 << max(count - 1, 1).bit_length()
            room = torch.empty(size, dtype=dtype, pin_memory=self._locks)
            self._room[name] = room
        return room[:count]


def _mark() -> torch.cuda.Event:
    """Happens when the device has done what was launched until now."""
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record()
    return event
