"""Engines on a tiny random network, and a network that knows its answer by heart."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from midspan_engine.engine import Engine
from midspan_engine.runtime.blocks import BLOCK, BlockPool
from midspan_engine.runtime.openvino_runtime import OpenVinoRuntime
from midspan_engine.runtime.rows import PassCount, RowScores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from midspan_engine.decoding.infill import DecodeConfig
    from midspan_engine.decoding.rewrite import RewriteConfig
    from midspan_engine.models.adapter_file import AdapterArrays
    from midspan_engine.runtime.rows import RowGroup
    from midspan_engine.tokenizer import Tokenizer

    MakeEngine = Callable[..., Engine]

END_LOUDER = 1.35


class ScriptedRuntime:
    """A network that knows its answer by heart, and says nonsense after anything else.

    It reads what it wrote: keys and values are the token ids themselves, so rows that were never
    run, or run at the wrong place, show.
    """

    def __init__(self, tokenizer: Tokenizer, *, unsure: float = 0.0) -> None:
        self.name, self.has_adapter, self.count = "scripted", False, PassCount()
        self.pool = BlockPool(np.zeros((1, 2, 200, 1, BLOCK, 2), np.float32), 10_000.0)
        self.tokenizer = tokenizer
        self.answer: list[int] = []
        self.second: list[int] = []
        self.unsure = unsure
        self.doubt = 0.0
        self.might_end: dict[str, float] = {}
        self.rows: list[int] = []

    def will_say(self, text: str, *, or_else: str = "") -> None:
        """Say the first text; the other where it was begun, and as what comes second."""
        self.answer = [*self.tokenizer.encode(text), self.tokenizer.special.eos]
        self.second = [*self.tokenizer.encode(or_else), self.tokenizer.special.eos]
        if not or_else:
            self.second = []

    def settle(self) -> None:
        """Nothing to give back."""

    def forward(self, groups: Sequence[RowGroup]) -> list[RowScores]:
        self.count.add(sum(len(group.ids) for group in groups))
        self.rows.append(sum(len(group.ids) for group in groups))
        return [self._one(group) for group in groups]

    @staticmethod
    def _goes_on(said: list[int], answer: list[int]) -> bool:
        return said == answer[: len(said)] and len(said) < len(answer)

    def _one(self, group: RowGroup) -> RowScores:
        end = group.start + len(group.ids)
        places, slots = self.pool.places(group.sequence, 0, end)
        new = (places[group.start :], slots[group.start :])
        self.pool.storage[0, 1, new[0], 0, new[1], 0] = group.ids
        seen = self.pool.storage[0, 1, places, 0, slots, 0].astype(int).tolist()
        middle = self.tokenizer.special.fim_middle
        logits = np.zeros((len(group.wanted), self.tokenizer.vocab_size), np.float32)
        for number, row in enumerate(group.wanted):
            past = seen[: group.start + int(row) + 1]
            said = past[len(past) - past[::-1].index(middle) :]
            known = self._goes_on(said, self.answer)
            if self._goes_on(said, self.second):
                logits[number, self.second[len(said)]] = 11.0 if known else 13.0
                known = known or said != self.answer[: len(said)]
            if self._goes_on(said, self.answer) or not known:
                logits[number, self.answer[len(said)] if known else 7] = 12.0
            is_end = bool(self.second) and len(said) == len(self.answer) - 1
            logits[number, 9] = 12.0 - 1e-3 if self.unsure and not is_end else 0.0
            logit = self.might_end.get(self.tokenizer.decode(said), 0.0)
            logits[number, self.tokenizer.special.eos] = max(
                logit, logits[number, self.tokenizer.special.eos]
            )
            if self.doubt and not said:
                end = self.tokenizer.special.eos
                logits[number, end] = 12.0 + np.log(1 / self.doubt - 1)
        order = np.argsort(-logits, axis=1, kind="stable")[:, :8]
        return RowScores(
            logits=logits,
            top_ids=order.astype(np.int32),
            top_logits=np.take_along_axis(logits, order, 1),
            log_normaliser=np.log(np.exp(logits).sum(axis=1)),
        )


@pytest.fixture(scope="module")
def make_engine(
    tiny_folder: Path, tiny_tokenizer: Tokenizer, tiny_adapter: AdapterArrays
) -> MakeEngine:
    runtimes: dict[bool, OpenVinoRuntime] = {}
    made: list[Engine] = []

    def make(
        config: DecodeConfig | None = None, *, adapter: bool = False, most_active: int = 3
    ) -> Engine:
        if adapter not in runtimes:
            runtimes[adapter] = OpenVinoRuntime(
                tiny_folder,
                cache_bytes=8 * 1024 * 1024,
                adapter=tiny_adapter if adapter else None,
                arithmetic="exact",
            )
        # The engines of this module share a pool; each starts with all of it.
        for earlier in made:
            earlier.sessions.forget("")
        engine = Engine(runtimes[adapter], tiny_tokenizer, config=config, most_active=most_active)
        made.append(engine)
        return engine

    return make


@pytest.fixture(scope="module")
def make_ending(
    tiny_folder: Path, tiny_tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> MakeEngine:
    """Engines on the tiny network, with an end mark that it says now and then."""
    folder = tmp_path_factory.mktemp("ending") / "tiny"
    shutil.copytree(tiny_folder, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.embed_tokens.weight"][tiny_tokenizer.special.eos] *= END_LOUDER
    save_file(tensors, folder / "model.safetensors")
    runtime = OpenVinoRuntime(folder, cache_bytes=8 * 1024 * 1024, arithmetic="exact")
    made: list[Engine] = []

    def make(config: RewriteConfig | None = None) -> Engine:
        # They share a pool; each starts with all of it.
        for earlier in made:
            for key in list(earlier._running):
                earlier.cancel(key)
            earlier.sessions.forget("")
        made[:] = [Engine(runtime, tiny_tokenizer, rewriting=config)]
        return made[0]

    return make


@pytest.fixture
def scripted(tiny_tokenizer: Tokenizer) -> ScriptedRuntime:
    return ScriptedRuntime(tiny_tokenizer)
