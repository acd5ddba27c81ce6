"""The runtime for CPUs: one compiled OpenVINO graph, int8 weights, no torch in the process."""

from __future__ import annotations

import mmap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino

from midspan_engine.models.config import TransformerConfig
from midspan_engine.runtime.blocks import BLOCK, BlockPool, CachedSequence
from midspan_engine.runtime.folder_weights import FolderWeights
from midspan_engine.runtime.openvino_graph import GraphBuilder
from midspan_engine.runtime.openvino_products import (
    ExactProducts,
    GroupedProducts,
    RotatedProducts,
)
from midspan_engine.runtime.quantised import (
    best_kind,
    quantise_apart,
    quantised_path,
    read_quantised,
)
from midspan_engine.runtime.rotation import Rotation
from midspan_engine.runtime.rows import PassCount, RowGroup, RowScores, rotary_angles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from midspan_engine.models.adapter_file import AdapterArrays
    from midspan_engine.runtime.openvino_products import Products
    from midspan_engine.runtime.quantised import Arithmetic, Kind, Merge
    from midspan_engine.runtime.rotation import LowRank

    Progress = Callable[[float, str], None]

OPTIONS = {
    # Left to itself the plugin picks bf16 on some machines, and a row's result then depends on how
    # many rows ran beside it.
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    # A pinned thread waits for its core while another is free, as on a laptop that also compiles.
    "ENABLE_CPU_PINNING": "NO",
}


_NAMES: dict[Arithmetic, str] = {
    "exact": "openvino-fp32",
    "groups": "openvino-int8",
    "rows": "openvino-int8-rows",
}
_STEP = 16
"""Rows of a tile; more rows than that come in multiples of it."""
_NO_TREE = np.zeros(0, np.uint8)


class OpenVinoRuntime:
    """Rows of any number of sequences in one pass; see `rows.Runtime`.

    Args:
        folder: Model folder in Hugging Face layout. The int8 weights are kept in it.
        cache_bytes: Size of the key/value cache.
        threads: 0 for one for each physical core.
        adapter: Low-rank weights for masked rows.
        merge: An adapter that is merged into the weights.
        arithmetic: float32 (`exact`) or one of two ways to compute in int8; None takes the int8
            that suits the processor.
        progress: Called with a share 0..1 and what is being done.

    Raises:
        ModelConfigError: the folder does not describe a network that we run.
        AdapterError: that adapter is damaged or belongs to other weights.
        OSError: the int8 weights cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache_bytes: int,
        threads: int = 0,
        adapter: AdapterArrays | None = None,
        merge: Merge | None = None,
        arithmetic: Arithmetic | None = None,
        progress: Progress = lambda _share, _what: None,
    ) -> None:
        self.config = TransformerConfig.from_folder(folder)
        arithmetic = arithmetic or best_kind()
        exact = arithmetic == "exact"
        self.name = _NAMES[arithmetic]
        self.has_adapter = adapter is not None
        self.count = PassCount()
        # int8 weights have it merged on disk.
        merged = merge.read(self.config) if merge and exact else None
        self._weights = FolderWeights(folder, merged)
        self._mask_embedding = adapter.mask_embedding if adapter else None
        self._kept: dict[str, NDArray[Any]] = {}
        if arithmetic != "exact":
            self._kept = self._quantised(folder, merge, arithmetic, progress)
        progress(0.6, "compiling the graph")
        self._rotation = Rotation(self.config, self._weights) if arithmetic == "rows" else None
        model = self._graph(arithmetic, adapter)
        options = dict(OPTIONS, DYNAMIC_QUANTIZATION_GROUP_SIZE="0" if exact else "128")
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        core = openvino.Core()
        self._request = core.compile_model(model, "CPU", options).create_infer_request()
        self._nobody = CachedSequence()
        self.pool = self._new_pool(cache_bytes)

    def forward(self, groups: Sequence[RowGroup]) -> list[RowScores]:
        """See `rows.Runtime.forward`."""
        rows = sum(len(group.ids) for group in groups)
        self.count.add(rows)
        groups = [_with_company(group) for group in groups]
        padded = self._padded(groups)
        self._set_rows(padded)
        self._set_blocks(padded)
        self._request.infer()
        return self._scores(groups)

    def _padded(self, groups: list[RowGroup]) -> list[RowGroup]:
        """With rows that nobody sees, so that passes come in few sizes where rows cost little.

        The plugin makes kernels for every size that it meets, which takes time, and keeps them.
        """
        rows = sum(group.rows for group in groups)
        missing = -rows % _STEP if self._rotation and rows > _STEP else 0
        if missing == 1:
            missing += _STEP  # see `_with_company`
        return [*groups, RowGroup.causal(self._nobody, 0, [0] * missing)] if missing else groups

    def settle(self) -> None:
        """Let the system drop the mapped int8 file: the compiled graph holds its own copy."""
        for array in self._kept.values():
            base = array
            while isinstance(base, np.ndarray) and base.base is not None:
                base = base.base
            if isinstance(base, mmap.mmap):
                base.madvise(mmap.MADV_DONTNEED)
                return

    def _graph(self, arithmetic: Arithmetic, adapter: AdapterArrays | None) -> openvino.Model:
        low_rank: LowRank | None = adapter.pair if adapter else None
        products: Products
        if arithmetic == "exact":
            products = ExactProducts(self.config, self._weights)
        elif self._rotation is None:
            products = GroupedProducts(self.config, self._weights, self._kept)
        else:
            products = RotatedProducts(self.config, self._kept)
            low_rank = self._rotation.low_rank(low_rank) if low_rank else None
        return GraphBuilder(self.config, products, low_rank).build()

    def _quantised(
        self, folder: Path, merge: Merge | None, kind: Kind, progress: Progress
    ) -> dict[str, NDArray[Any]]:
        path = quantised_path(folder, merge, kind)
        found = read_quantised(path, kind)
        if found is None:
            if merge is not None:
                merge.read(self.config)  # refuses a bad file by name, which the process cannot
            progress(0.1, "converting the weights to int8, once")
            quantise_apart(folder, path, merge, kind)
            found = read_quantised(path, kind)
        if found is None:
            raise OSError(f"{path} could not be read back after it was written")
        return found

    def _new_pool(self, cache_bytes: int) -> BlockPool:
        config = self.config
        layers, heads, size = (
            config.num_hidden_layers,
            config.num_key_value_heads,
            config.head_dim,
        )
        block_bytes = layers * 2 * heads * BLOCK * size * 4
        blocks = max(2, cache_bytes // block_bytes)
        # One more, which is nobody's (see `_padded`).
        storage = np.zeros((layers, 2, blocks + 1, heads, BLOCK, size), np.float32)
        self._nobody.blocks = [blocks]
        for layer in range(layers):
            for index, name in enumerate(("key", "value")):
                tensor = openvino.Tensor(storage[layer, index], shared_memory=True)
                self._request.set_tensor(f"{name}.{layer}", tensor)
        return BlockPool(storage[:, :, :blocks], config.rope_theta)

    def _set(self, name: str, values: NDArray[Any]) -> None:
        self._request.set_tensor(name, openvino.Tensor(values))

    def _set_rows(self, groups: Sequence[RowGroup]) -> None:
        ids = np.concatenate([group.ids for group in groups])
        masked = np.concatenate([group.masked for group in groups])
        block = np.concatenate([group.block for group in groups])
        positions = np.concatenate([group.positions for group in groups])
        hidden = self._embed(ids, masked)
        cosine, sine = rotary_angles(positions, self.config.head_dim, self.config.rope_theta)
        sine[:, : self.config.head_dim // 2] *= -1  # see `GraphBuilder._rotate`
        self._set("hidden", hidden)
        self._set("cosine", cosine[:, None, :])
        self._set("sine", sine[:, None, :])
        self._set("row_kind", block.astype(np.int32))
        if self.has_adapter:
            self._set("adapted", block.astype(np.float32)[:, None])

    def _embed(self, ids: NDArray[np.int32], masked: NDArray[np.bool_]) -> NDArray[np.float32]:
        hidden = self._weights.rows("model.embed_tokens.weight", np.where(masked, 0, ids))
        if masked.any():
            if self._mask_embedding is None:
                raise ValueError("a masked row needs an adapter, and none is loaded")
            hidden[masked] = self._mask_embedding
        return self._rotation.stream(hidden) if self._rotation else hidden

    def _set_blocks(self, groups: Sequence[RowGroup]) -> None:
        begins, block_begins, blocks, wanted = [0], [0], [], []
        longest = 0
        for group in groups:
            end = group.start + len(group.ids)
            used = -(-end // BLOCK)
            blocks += group.sequence.blocks[:used]
            wanted.append(group.wanted + begins[-1])
            begins.append(begins[-1] + len(group.ids))
            block_begins.append(len(blocks))
            longest = max(longest, end)
        rows = np.concatenate(wanted)
        self._set("past_lens", np.array([group.start for group in groups], np.int32))
        self._set("subsequence_begins", np.array(begins, np.int32))
        self._set("block_indices", np.array(blocks, np.int32))
        self._set("block_indices_begins", np.array(block_begins, np.int32))
        self._set("longest", np.array(longest, np.int32))
        trees = [
            group.visible().astype(np.uint8).ravel() if group.block.any() else _NO_TREE
            for group in groups
        ]
        self._set("tree", np.concatenate(trees))
        self._set("tree_begins", np.cumsum([0, *map(len, trees)]).astype(np.int32))
        # The head needs company too (see `_with_company`).
        self._set(
            "logit_rows", np.resize(rows if len(rows) else np.zeros(1, np.int32), max(2, len(rows)))
        )

    def _scores(self, groups: Sequence[RowGroup]) -> list[RowScores]:
        logits, values, ids, normaliser = (
            self._request.get_tensor(name).data
            for name in ("logits", "top_values", "top_ids", "log_normaliser")
        )
        scores, at = [], 0
        for group in groups:
            span = slice(at, at + len(group.wanted))
            at = span.stop
            scores.append(
                RowScores(
                    logits=logits[span],
                    top_ids=ids[span],
                    top_logits=values[span],
                    log_normaliser=normaliser[span, 0],
                )
            )
        return scores


def _with_company(group: RowGroup) -> RowGroup:
    """The group, with a second row where it has only one.

    The plugin computes a single row with other kernels than many (logits then differ by up to 0.3),
    while from two rows on a row's result is the same to the last bit whatever stands beside it.
    That is what makes verified decoding exactly the greedy one. Costs 2 % of a pass.
    """
    if len(group.ids) > 1:
        return group
    assert not group.block.any()
    second = RowGroup.causal(group.sequence, group.start + 1, [0])
    return replace(group.then(second), wanted=group.wanted)
