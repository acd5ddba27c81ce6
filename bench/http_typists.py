"""People who type at the same time, replayed from one recorded session through HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from figures import percentile, summary
from http_client import post

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX, _SUFFIX = 2000, 500
_LONGEST_PAUSE_S = 1.5
_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Key:
    """A change in a file: seconds after the one before it, and the text around its end."""

    after_s: float
    path: str
    prefix: str
    suffix: str


@dataclass(slots=True)
class Tally:
    """What became of the requests of all typists."""

    ms: list[float] = field(default_factory=list)
    tokens: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


def keys(log: list[dict[str, Any]]) -> list[Key]:
    """The single changes of a recording, pauses cut to 1.5 s."""
    return list(_keys(log))


def _keys(log: list[dict[str, Any]]) -> Iterator[Key]:
    paths: dict[int, str] = {}
    texts: dict[int, bytes] = {}
    stored: dict[tuple[int, str], bytes] = {}
    before = 0.0
    for event in log:
        number = event.get("id", -1)
        match event["kind"]:
            case "documentEncountered":
                paths[number] = event["relativePath"].replace("\\", "/")
            case "setContent":
                texts[number] = event["content"].encode("utf-16-le")
            case "storeContent":
                stored[number, event["contentId"]] = texts[number]
            case "restoreContent":
                texts[number] = stored[number, event["contentId"]]
            case "changed":
                text, end = _changed(texts[number], event["edit"])
                texts[number] = text
                if len(event["edit"]) > 1:
                    continue
                pause = min(max(event["time"] - before, 0.0) / 1e3, _LONGEST_PAUSE_S)
                before = event["time"]
                yield Key(
                    pause,
                    paths[number],
                    text[max(0, end - 2 * _PREFIX) : end].decode("utf-16-le", "ignore"),
                    text[end : end + 2 * _SUFFIX].decode("utf-16-le", "ignore"),
                )


def _changed(text: bytes, edits: list[list[Any]]) -> tuple[bytes, int]:
    """The text (UTF-16) after edits, and where the last of them ends in it."""
    end = 0
    for start, stop, new in sorted(edits, reverse=True):
        put = new.encode("utf-16-le")
        text = text[: 2 * start] + put + text[2 * stop :]
        end = 2 * start + len(put)
    return text, end


async def type_together(
    port: int, recorded: list[Key], typists: int, seconds: float
) -> dict[str, Any]:
    """Let `typists` type for so long, each from another place of the recording on."""
    tally = Tally()
    began = time.perf_counter()
    apart = len(recorded) // max(typists, 1)
    await asyncio.gather(
        *(
            _type(
                port,
                recorded[n * apart :] + recorded[: n * apart],
                f"typist-{n}",
                began + seconds,
                tally,
            )
            for n in range(typists)
        )
    )
    spent = time.perf_counter() - began
    return {
        "typists": typists,
        "answered_ms": {**summary(tally.ms), "p99": round(percentile(tally.ms, 0.99), 1)},
        "outcomes": dict(tally.outcomes),
        "tokens_per_second": round(tally.tokens / spent, 1),
        "answers_per_second": round(len(tally.ms) / spent, 2),
    }


async def _type(port: int, recorded: list[Key], user: str, until: float, tally: Tally) -> None:
    """As editors do: a request after every change, and the one before it is cancelled."""
    running: asyncio.Task[None] | None = None
    for key in recorded:
        await asyncio.sleep(key.after_s)
        if running and not running.done():
            running.cancel()
            tally.outcomes["cancelled"] += 1
        if running:
            await asyncio.gather(running, return_exceptions=True)
        if time.perf_counter() > until:
            return
        running = asyncio.ensure_future(_ask(port, key, user, tally))


async def _ask(port: int, key: Key, user: str, tally: Tally) -> None:
    body = {
        "prompt": key.prefix,
        "suffix": key.suffix,
        "max_tokens": _TOKENS,
        "user": user,
        "midspan": {"scope": "line", "path": key.path},
    }
    try:
        answer = await post(port, "/v1/completions", body)
    except (OSError, ValueError, IndexError) as error:
        tally.outcomes[type(error).__name__] += 1
        return
    tally.outcomes[str(answer.status)] += 1
    if answer.status == 200:
        tally.ms.append(answer.ms)
        tally.tokens += answer.body["usage"]["completion_tokens"]
