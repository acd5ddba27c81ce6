"""Both twins behind one face: likelihood of text, and filling of gaps; in torch, float32."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from canvas_run import CanvasBench
from torch.nn import functional

from midspan_engine.models.family import load_transformer, read_family
from midspan_engine.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from midspan_engine.canvas.settings import CanvasConfig
    from midspan_engine.decoding.unmask import Select
    from midspan_engine.protocol import InfillRequest

_PREFIX, _SUFFIX, _MOST = 320, 128, 64
_RATIOS = 8
"""Mask ratios at which each window is measured, spread evenly over 0 to 1."""


class Twin(Protocol):
    """One trained network."""

    def nats(self, windows: NDArray[np.int64]) -> float:
        """Nats a token of the windows `[windows, tokens]`; of diffusion an upper bound."""
        ...


class ArTwin:
    """The autoregressive twin: exact likelihood, greedy decoding with a cache."""

    def __init__(self, folder: Path) -> None:
        self.family = read_family(folder)
        self.tokenizer = Tokenizer(folder / "tokenizer.json")
        self.model = load_transformer(folder, self.family, dtype=torch.float32)
        self.seen = json.loads((folder / "config.json").read_text("utf-8"))["tokens"]

    @torch.inference_mode()
    def nats(self, windows: NDArray[np.int64]) -> float:
        """See `Twin`; the first token of a window is given."""
        losses = []
        for window in torch.from_numpy(windows):
            positions = torch.arange(len(window)).unsqueeze(0)
            hidden = self.model(window.unsqueeze(0), positions).hidden[0]
            logits = self.model.head(hidden[:-1])
            losses.append(functional.cross_entropy(logits, window[1:]))
        return float(torch.stack(losses).mean())

    @torch.inference_mode()
    def fill(self, request: InfillRequest) -> tuple[str, int, int]:
        """Greedy text of one line, its tokens and the passes."""
        marks = self.tokenizer.special
        prefix = self.tokenizer.encode(request.prefix)[-_PREFIX:]
        suffix = self.tokenizer.encode(request.suffix)[:_SUFFIX]
        ids = [marks.fim_prefix, *prefix, marks.fim_suffix, *suffix, marks.fim_middle]
        tokens: list[int] = []
        past, at = None, 0
        new = ids
        while len(tokens) < _MOST:
            positions = torch.arange(at, at + len(new)).unsqueeze(0)
            output = self.model(torch.tensor([new]), positions, past=past)
            past = output.keys_values if past is None else _joined(past, output.keys_values)
            at += len(new)
            token = int(self.model.head(output.hidden[0, -1:]).argmax())
            if token in self.tokenizer.marks:
                return self.tokenizer.decode(tokens), len(tokens), len(tokens) + 1
            tokens.append(token)
            if b"\n" in self.tokenizer.token_bytes(token):
                break
            new = [token]
        return self.tokenizer.decode(tokens).split("\n")[0], len(tokens), len(tokens)


class DiffusionTwin:
    """The diffusion twin: a bound on the likelihood, canvas decoding."""

    def __init__(self, folder: Path) -> None:
        self.bench = CanvasBench(str(folder), "torch")
        self.model = load_transformer(folder, self.bench.family, dtype=torch.float32)
        self.seen = json.loads((folder / "config.json").read_text("utf-8"))["tokens"]

    @torch.inference_mode()
    def nats(self, windows: NDArray[np.int64]) -> float:
        """See `Twin`: masks at ratio `t` and a weight of `1 / t` (MDLM, arXiv 2406.07524)."""
        assert self.bench.family.marks is not None
        mask = self.bench.family.marks.mask
        rng = np.random.default_rng(0)
        bounds = []
        for ids in windows:
            first = rng.random()
            for step in range(_RATIOS):
                ratio = max(0.02, (first + step) / _RATIOS % 1.0)
                hidden = rng.random(len(ids)) < ratio
                if not hidden.any():
                    bounds.append(0.0)
                    continue
                shown = torch.from_numpy(np.where(hidden, mask, ids)).unsqueeze(0)
                positions = torch.arange(len(ids)).unsqueeze(0)
                output = self.model(shown, positions, causal=False)
                chosen = torch.from_numpy(hidden)
                logits = self.model.head(output.hidden[0][chosen])
                losses = functional.cross_entropy(
                    logits, torch.from_numpy(ids)[chosen], reduction="sum"
                )
                bounds.append(float(losses) / ratio / len(ids))
        return float(np.mean(bounds))

    def config(self, select: Select, **changes: object) -> CanvasConfig:
        """The usual decoding with another choice of masks."""
        return replace(self.bench.config, select=select, **changes)  # type: ignore[arg-type]


def _joined(past: object, new: object) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    pairs = zip(past, new, strict=True)  # type: ignore[call-overload]
    return tuple((torch.cat([a[0], b[0]], dim=2), torch.cat([a[1], b[1]], dim=2)) for a, b in pairs)
