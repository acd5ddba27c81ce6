"""Cancelling and serving several sessions at once, through the real socket."""

from __future__ import annotations

import contextlib
import math
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from figures import summary
from places import places
from tqdm import tqdm

from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.protocol import Cancel, Infill, Partial

if TYPE_CHECKING:
    from engine_process import EngineProcess, SocketClient
    from places import Place

    from midspan_engine.protocol import InfillRequest

_BLOCK_TOKENS = 128
_CONCURRENT_TOKENS = 32


def cancelling(engine: EngineProcess, trials: int) -> dict[str, object]:
    """Time from `Cancel` to the answer without choices, while the context is encoded and later."""
    with contextlib.closing(engine.connect()) as client:
        chosen = places(trials)
        pass_ms, chunk_ms = _pass_ms(client, chosen[0])
        encoding: list[float] = []
        decoding: list[float] = []
        for number, place in enumerate(tqdm(chosen, desc="cancel")):
            if (ms := _cancel(client, place, number + 10, in_decoding=bool(number % 2))) is None:
                continue
            (decoding if number % 2 else encoding).append(ms)
    return {
        "pass_ms": round(pass_ms, 1),
        "encoding_pass_ms": round(chunk_ms, 1),
        "while_encoding_ms": summary(encoding),
        "while_decoding_ms": summary(decoding),
    }


def _pass_ms(client: SocketClient, place: Place) -> tuple[float, float]:
    """Mean times of the passes of an undisturbed request: of decoding, and of encoding a chunk."""
    request = place.request(number=1, session="pass", scope="block", tokens=_BLOCK_TOKENS)
    cold, _ = client.infill(request)
    # The last chunk shares its pass with the first step of decoding.
    chunks = math.ceil(cold.stats.prompt_tokens / DecodeConfig().chunk) - 1
    # A changed line makes the last answer useless as a draft.
    changed = msgspec.structs.replace(request, id=2, prefix=request.prefix + "_")
    warm, _ = client.infill(changed)
    return warm.stats.decode_ms / max(1, warm.stats.passes), cold.stats.context_ms / max(1, chunks)


def _cancel(client: SocketClient, place: Place, number: int, *, in_decoding: bool) -> float | None:
    """Milliseconds from the cancel to the answer; None when the request had ended before."""
    request = place.request(
        number=number, session=f"cancel:{number}", scope="block", tokens=_BLOCK_TOKENS
    )
    client.send(msgspec.structs.replace(request, stream=True))
    if in_decoding:
        # Another delay for each trial, so that the cancels fall everywhere within a pass.
        client.wait_for(Partial)
        time.sleep(0.007 * (number % 11))
    else:
        time.sleep(0.02 * (1 + number % 11))
    began = time.perf_counter()
    client.send(Cancel(id=number))
    answer = client.wait_for(Infill)
    ms = (time.perf_counter() - began) * 1e3
    return None if answer.choices else ms


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typist:
    """One session that types through a place, on a connection of its own."""

    client: SocketClient
    place: Place
    name: str

    def type_on(self, keys: int, tokens: list[int], times_ms: list[float]) -> None:
        for key in range(1, keys + 1):
            answer, ms = self.client.infill(self._request(key))
            tokens.append(answer.stats.tokens)
            times_ms.append(ms)

    def begin(self) -> None:
        self.client.infill(self._request(0))

    def _request(self, key: int) -> InfillRequest:
        return self.place.request(
            number=key, session=self.name, keys=key, scope="block", tokens=_CONCURRENT_TOKENS
        )


def concurrency(engine: EngineProcess, sessions: int, keys: int) -> dict[str, object]:
    """`sessions` type at once, each asking again as soon as it is answered."""
    chosen = places(sessions)
    typists = [
        _Typist(client=engine.connect(), place=place, name=f"typist:{number}")
        for number, place in enumerate(chosen)
    ]
    for typist in typists:
        typist.begin()
    tokens: list[int] = []
    times_ms: list[float] = []
    threads = [
        threading.Thread(target=typist.type_on, args=(keys, tokens, times_ms)) for typist in typists
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    for typist in typists:
        typist.client.close()
    return {
        "sessions": sessions,
        "tokens_per_second": round(sum(tokens) / seconds, 1),
        "tokens_mean": round(statistics.fmean(tokens), 1),
        "request_ms": summary(times_ms),
    }
