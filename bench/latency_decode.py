"""Cold requests and the requests after each typed character, beside plain greedy decoding.

Two engines on one loaded network, in this process: one decodes as Midspan does, one a token at a
time. They take turns at every request, so whatever else the machine does meets both.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
from figures import share, summary
from places import places
from tqdm import tqdm

from midspan_engine.decoding.confidence import DEFAULT
from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.engine import Engine
from midspan_engine.protocol import InfillRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from places import Place

    from midspan_engine.protocol import Infill
    from midspan_engine.runtime import Runtime
    from midspan_engine.tokenizer import Tokenizer

Side = Literal["ours", "ar"]
_SIDES: tuple[Side, Side] = ("ours", "ar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One request on one side."""

    side: Side
    key: int
    ms: float
    passes: int
    tokens: int
    cached: int
    prompt: int
    text: str


class SideBySide:
    """The two engines."""

    def __init__(self, network: Runtime, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.runtime_name = network.name
        plain = DecodeConfig(rows=1, look_up=False)
        self._engines: dict[Side, Engine] = {
            "ours": Engine(network, self.tokenizer, calibration=DEFAULT),
            "ar": Engine(network, self.tokenizer, config=plain),
        }
        for engine in self._engines.values():
            engine.warm_up()

    def ask(self, side: Side, request: InfillRequest, key: int) -> Timing:
        """Serve a request in a session of the side's own."""
        began = time.perf_counter()
        answer: Infill = self._engines[side].infill(request)
        ms = (time.perf_counter() - began) * 1e3
        stats = answer.stats
        return Timing(
            side=side,
            key=key,
            ms=ms,
            passes=stats.passes,
            tokens=stats.tokens,
            cached=stats.cached_tokens,
            prompt=stats.prompt_tokens,
            text=answer.choices[0].text,
        )

    def type_on(self, place: Place, number: int, keys: int) -> list[Timing]:
        """Cold, then after each of `keys` characters; the sides take turns at going first."""
        timings = []
        for key in range(min(keys, len(place.typed) - 1) + 1):
            for side in _SIDES if (number + key) % 2 else _SIDES[::-1]:
                request = place.request(number=key, session=f"typing:{number}", keys=key)
                timings.append(self.ask(side, request, key))
        self._forget(f"typing:{number}")
        return timings

    def cold_tokens(self, place: Place, number: int) -> list[Timing]:
        """A cold request with 512 tokens before and 128 after, where the place has as many."""
        name = f"cold:{number}"
        end = place.cursor + len(place.typed)
        head = self.tokenizer.encode(place.text[: place.cursor])[-512:]
        tail = self.tokenizer.encode(place.text[end:])[:128]
        request = InfillRequest(
            id=number,
            session=name,
            language="python",
            prefix=self.tokenizer.decode(head),
            suffix=self.tokenizer.decode(tail),
        )
        timings = [
            self.ask(side, msgspec.structs.replace(request, session=f"{name}:{side}"), 0)
            for side in (_SIDES if number % 2 else _SIDES[::-1])
        ]
        self._forget(name)
        return timings

    def _forget(self, name: str) -> None:
        for engine in self._engines.values():
            engine.sessions.forget(name)


def measure(both: SideBySide, count: int, keys: int) -> dict[str, object]:
    """The figures of (a) and (b)."""
    chosen = places(count)
    typed: list[Timing] = []
    for number, place in enumerate(tqdm(chosen, desc="typing")):
        typed += both.type_on(place, number, keys)
    cold: list[Timing] = []
    for number, place in enumerate(tqdm(chosen[:: max(1, count // 8)], desc="512 + 128 tokens")):
        cold += both.cold_tokens(place, number)
    return {
        "runtime": both.runtime_name,
        "places": count,
        "cold_2000_500_characters": compare([t for t in typed if t.key == 0]),
        "cold_512_128_tokens": compare(cold),
        "after_keystroke": compare([t for t in typed if t.key > 0]),
    }


def compare(timings: Sequence[Timing]) -> dict[str, object]:
    """Both sides' figures, and how many times as long plain greedy decoding takes."""
    sides = {side: [t for t in timings if t.side == side] for side in _SIDES}
    logs = [math.log(b.ms / a.ms) for a, b in zip(sides["ours"], sides["ar"], strict=True)]
    same = sum(a.text == b.text for a, b in zip(sides["ours"], sides["ar"], strict=True))
    return {
        "identical": share(same, len(logs)),
        "ar_over_ours": round(math.exp(statistics.fmean(logs)), 3),
        **{side: _side(of) for side, of in sides.items()},
    }


def _side(timings: Sequence[Timing]) -> dict[str, object]:
    return {
        "ms": summary([t.ms for t in timings]),
        "passes": round(statistics.fmean(t.passes for t in timings), 2),
        "tokens": round(statistics.fmean(t.tokens for t in timings), 2),
        "encoded_tokens": round(statistics.fmean(t.prompt - t.cached for t in timings), 1),
        "prompt_tokens": round(statistics.fmean(t.prompt for t in timings), 1),
    }
