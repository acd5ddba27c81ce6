"""Canvas models on CPUs: one compiled OpenVINO graph, int8 weights, no torch in the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino

from midspan_engine.runtime.canvas_graph import CanvasGraphBuilder
from midspan_engine.runtime.canvas_rows import (
    CanvasPass,
    CanvasScores,
    cached_rows,
    turned_by,
    whole_sequence,
)
from midspan_engine.runtime.folder_weights import FolderWeights
from midspan_engine.runtime.openvino_runtime import OPTIONS
from midspan_engine.runtime.rows import PassCount, rotary_angles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from midspan_engine.models.family import ModelFamily

    Progress = Callable[[float, str], None]

_HIDDEN = np.float32(-1e9)


class OpenVinoCanvasRuntime:
    """See `CanvasRuntime`.

    Args:
        folder: Holds the model.
        family: What it is; block-causal models need torch.
        threads: 0 for one for each physical core.
        exact: float32 weights instead of int8.
        progress: Called with a share 0..1 and what is being done.

    Raises:
        ModelConfigError: the weights are missing, damaged, or not those of the family.
    """

    def __init__(
        self,
        folder: Path,
        family: ModelFamily,
        *,
        threads: int = 0,
        exact: bool = False,
        progress: Progress = lambda _share, _what: None,
    ) -> None:
        self.family = family
        self.name = "openvino-fp32" if exact else "openvino-int8"
        self.count = PassCount()
        weights = FolderWeights(folder)
        self._embeddings = weights("model.embed_tokens.weight")
        progress(0.5, "compiling the graph")
        model = CanvasGraphBuilder(family.config, weights, exact=exact).build()
        options = dict(OPTIONS, DYNAMIC_QUANTIZATION_GROUP_SIZE="0" if exact else "128")
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        self._request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
        config = family.config
        shape = (1, config.num_key_value_heads, 0, config.head_dim)
        empty = np.zeros(shape, np.float32)
        self._no_context = [(empty, empty)] * config.num_hidden_layers

    def forward(self, groups: Sequence[CanvasPass]) -> list[CanvasScores]:
        """See `CanvasRuntime`."""
        self.count.add(sum(one.rows for one in groups))
        return [self._refreshing(one) if one.refresh else self._cached(one) for one in groups]

    def settle(self) -> None:
        """Nothing is left over: the weights of such a model are small."""

    def _refreshing(self, one: CanvasPass) -> CanvasScores:
        ids, span = whole_sequence(one)
        self._set_rows(ids[None, :], 0)
        self._set_context(self._no_context, np.zeros((1, 0), np.int64))
        self._set("bias", np.zeros((1, 1, len(ids), len(ids)), np.float32))
        logits = self._infer(one.wanted[0] + span.start)
        kept = np.r_[0 : span.start, span.stop : len(ids)]
        one.context.layers = [
            (self._new("key", layer)[:, :, kept], self._new("value", layer)[:, :, kept])
            for layer in range(self.family.config.num_hidden_layers)
        ]
        one.context.span = len(one.slots[0])
        return CanvasScores(logits=(logits,))

    def _cached(self, one: CanvasPass) -> CanvasScores:
        """All slots as one batch, the shorter ones padded with rows that nobody sees."""
        context, rows = one.context, cached_rows(one)
        count, longest = len(rows.slots), rows.longest
        ids = np.zeros((count, longest), np.int32)
        bias = np.zeros((count, 1, longest, context.length + longest), np.float32)
        bias[:, :, :, rows.hidden] = _HIDDEN
        for index, slot in enumerate(rows.slots):
            ids[index, : len(slot)] = slot
            bias[index, :, :, context.length + len(slot) :] = _HIDDEN
        self._set_rows(ids, rows.start)
        self._set_context(context.layers, np.stack([turned_by(one, slot) for slot in one.slots]))
        self._set("bias", bias)
        wanted = [places + index * longest for index, places in enumerate(rows.wanted)]
        logits = self._infer(np.concatenate(wanted))
        ends = np.cumsum([len(wanted) for wanted in one.wanted])[:-1]
        return CanvasScores(logits=tuple(np.split(logits, ends)))

    def _set_rows(self, ids: NDArray[np.int32], start: int) -> None:
        self._set("hidden", self._embeddings[ids])
        positions = np.arange(ids.shape[1]) + start
        self._set_angles("", np.broadcast_to(positions, ids.shape))

    def _set_context(self, layers: Sequence[tuple[Any, Any]], moves: NDArray[np.int64]) -> None:
        self._set_angles("turn_", moves)
        for layer, (keys, values) in enumerate(layers):
            self._set(f"key.{layer}", keys)
            self._set(f"value.{layer}", values)

    def _set_angles(self, kind: str, positions: NDArray[np.int64]) -> None:
        config = self.family.config
        slots, rows = positions.shape
        cosine, sine = rotary_angles(positions.reshape(-1), config.head_dim, config.rope_theta)
        sine[:, : config.head_dim // 2] *= -1  # which saves the graph a negation
        shape = (slots, 1, rows, config.head_dim)
        self._set(f"{kind}cosine", cosine.reshape(shape))
        self._set(f"{kind}sine", sine.reshape(shape))

    def _set(self, name: str, values: NDArray[Any]) -> None:
        self._request.set_tensor(name, openvino.Tensor(np.ascontiguousarray(values)))

    def _new(self, kind: str, layer: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._request.get_tensor(f"new_{kind}.{layer}").data
        return found

    def _infer(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        self._set("logit_rows", rows.astype(np.int32))
        self._request.infer()
        logits: NDArray[np.float32] = self._request.get_tensor("logits").data.copy()
        return logits
