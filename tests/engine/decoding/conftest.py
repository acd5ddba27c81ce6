"""Engines on a tiny random network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.engine import Engine
from midspan_engine.runtime.openvino_runtime import OpenVinoRuntime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.decoding.infill import DecodeConfig
    from midspan_engine.models.adapter_file import AdapterArrays
    from midspan_engine.tokenizer import Tokenizer

    MakeEngine = Callable[..., Engine]


@pytest.fixture(scope="module")
def make_engine(
    tiny_folder: Path, tiny_tokenizer: Tokenizer, tiny_adapter: AdapterArrays
) -> MakeEngine:
    runtimes: dict[bool, OpenVinoRuntime] = {}
    made: list[Engine] = []

    def make(config: DecodeConfig | None = None, *, adapter: bool = False) -> Engine:
        if adapter not in runtimes:
            runtimes[adapter] = OpenVinoRuntime(
                tiny_folder,
                cache_bytes=8 * 1024 * 1024,
                adapter=tiny_adapter if adapter else None,
                exact=True,
            )
        # The engines of this module share a pool; each starts with all of it.
        for earlier in made:
            earlier.sessions.forget("")
        engine = Engine(runtimes[adapter], tiny_tokenizer, config=config)
        made.append(engine)
        return engine

    return make
