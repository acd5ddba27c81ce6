"""Paged key/value cache: fixed blocks, shared by reference, owned by sequences.

Storage is one array `[layers, 2, blocks, kv heads, BLOCK, head]` (keys, then values). It may be a
numpy array or a torch tensor: only indexing that both understand is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from midspan_engine.protocol import MidspanError
from midspan_engine.runtime.rows import rotary_angles

BLOCK = 32
"""Positions in a block; what OpenVINO's paged attention uses on CPUs."""


class OutOfBlocks(MidspanError):  # noqa: N818  named for what is missing
    """Every block is in use; the caller evicts a session and tries again."""


class CachedSequence:
    """Blocks of one sequence. `length` positions of it hold keys and values that are valid."""

    __slots__ = ("blocks", "length")

    def __init__(self) -> None:
        self.blocks: list[int] = []
        self.length = 0


@dataclass(frozen=True, slots=True, eq=False)
class Lifted:
    """Keys and values `[positions, layers, kv heads, head]` that stood at `start…`."""

    start: int
    keys: Any
    values: Any


class BlockPool:
    """Hands out blocks and copies between them.

    Args:
        storage: Array as described above.
        theta: Base of the rotary positions, for `put`.
    """

    def __init__(self, storage: Any, theta: float) -> None:
        self.storage = storage
        self.theta = theta
        self.capacity = int(storage.shape[2])
        self._free = list(range(self.capacity - 1, -1, -1))
        self._references = [0] * self.capacity

    @property
    def free_blocks(self) -> int:
        """Blocks that nobody holds."""
        return len(self._free)

    def reserve(self, sequence: CachedSequence, length: int) -> None:
        """Make room for `length` positions; blocks that others share are copied before writing.

        Raises:
            OutOfBlocks: there are not enough; nothing was taken.
        """
        needed = -(-length // BLOCK)
        first = sequence.length // BLOCK
        shared = [i for i in range(first, len(sequence.blocks)) if self._is_shared(sequence, i)]
        if max(0, needed - len(sequence.blocks)) + len(shared) > len(self._free):
            raise OutOfBlocks(f"{needed} blocks are needed and {len(self._free)} are free")
        for index in shared:
            copied = self._take()
            self.storage[:, :, copied] = self.storage[:, :, sequence.blocks[index]]
            self._drop(sequence.blocks[index])
            sequence.blocks[index] = copied
        while len(sequence.blocks) < needed:
            sequence.blocks.append(self._take())

    def fork(self, sequence: CachedSequence) -> CachedSequence:
        """A second sequence with the same contents; blocks are shared until one side writes."""
        twin = CachedSequence()
        twin.blocks = sequence.blocks[: -(-sequence.length // BLOCK)]
        twin.length = sequence.length
        for block in twin.blocks:
            self._references[block] += 1
        return twin

    def trim(self, sequence: CachedSequence) -> None:
        """Give back blocks beyond `sequence.length`."""
        keep = -(-sequence.length // BLOCK)
        for block in sequence.blocks[keep:]:
            self._drop(block)
        del sequence.blocks[keep:]

    def release(self, sequence: CachedSequence) -> None:
        """Give back all blocks."""
        sequence.length = 0
        self.trim(sequence)

    def lift(self, sequence: CachedSequence, start: int, count: int) -> Lifted:
        """Copy the keys and values of `count` positions from `start`, to be `put` elsewhere."""
        block, slot = self.places(sequence, start, count)
        keys = self.storage[:, 0, block, :, slot]
        values = self.storage[:, 1, block, :, slot]
        return Lifted(start, keys, values)

    def put(self, sequence: CachedSequence, target: int, lifted: Lifted) -> None:
        """Write what was lifted to `target…`, keys rotated to where they now stand.

        Rotary positions compose: turning a key at position p by d gives the key at p + d, so a
        suffix need not be encoded again because the prefix grew. To be done after the pass that
        writes the positions before: OpenVINO clears the rest of the block that a pass ends in.
        """
        block, slot = self.places(sequence, target, len(lifted.keys))
        self.storage[:, 0, block, :, slot] = self._turn(lifted.keys, target - lifted.start)
        self.storage[:, 1, block, :, slot] = lifted.values

    def _turn(self, keys: Any, distance: int) -> Any:
        size = int(keys.shape[-1])
        cosine, sine = rotary_angles(np.array([distance]), size, self.theta)
        half = size // 2
        first, second = keys[..., :half], keys[..., half:]
        turned = keys * 0
        cos, sin = self._like(cosine[0, :half]), self._like(sine[0, :half])
        turned[..., :half] = first * cos - second * sin
        turned[..., half:] = second * cos + first * sin
        return turned

    def _like(self, values: np.ndarray[Any, Any]) -> Any:
        if isinstance(self.storage, np.ndarray):
            return values
        # In float32, whatever the storage: rounded angles would turn every key by too much.
        return self.storage.new_empty(0).float().new_tensor(values)

    def places(self, sequence: CachedSequence, start: int, count: int) -> tuple[Any, Any]:
        """Block and slot of each of `count` positions from `start`."""
        positions = np.arange(start, start + count)
        blocks = np.asarray(sequence.blocks)[positions // BLOCK]
        return blocks, positions % BLOCK

    def _is_shared(self, sequence: CachedSequence, index: int) -> bool:
        return self._references[sequence.blocks[index]] > 1

    def _take(self) -> int:
        block = self._free.pop()
        self._references[block] = 1
        return block

    def _drop(self, block: int) -> None:
        self._references[block] -= 1
        if self._references[block] == 0:
            self._free.append(block)
