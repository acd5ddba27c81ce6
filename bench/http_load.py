"""The HTTP server under load.

    python bench/http_load.py                              # all parts
    python bench/http_load.py --only churn --requests 2000

overhead  the same request through the socket and through HTTP, in turns, one process
typists   1 and 8 people of a recorded session at once, cancels included
closed    1 and 8 clients that ask again as soon as they are answered: what batching gives
churn     10,000 requests, 30 % of which hang up: memory, file descriptors, places that are stuck

`--model` takes any model folder. One JSON line at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures import summary
from http_client import own_server, post
from http_typists import keys, type_together
from infilling_tasks import DEFAULT_DATA
from places import places
from recording import read_recording, recording_path
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from http_client import ServeProcess
    from places import Place

_PARTS = ("overhead", "typists", "closed", "churn")
_AT_A_TIME = 12
_TOKENS = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for; the exit code."""
    args = _parser().parse_args(arguments)
    line: dict[str, object] = {"bench": "http_load"}
    with own_server(["--model", args.model, "--runtime", args.runtime]) as server:
        if "overhead" in args.only:
            line["overhead"] = _overhead(server, places(args.places), args.keys)
        if "typists" in args.only:
            try:
                recorded = keys(read_recording(recording_path(args.data)))
            except FileNotFoundError as error:
                print(f"http_load: no typists: {error}", file=sys.stderr)
            else:
                line["typists"] = [
                    asyncio.run(type_together(server.port, recorded, count, args.seconds))
                    for count in (1, 8)
                ]
        if "closed" in args.only:
            line["closed"] = [
                asyncio.run(_closed(server.port, count, args.seconds)) for count in (1, 8)
            ]
        if "churn" in args.only:
            line["churn"] = asyncio.run(_churn(server, args.requests, args.hang_ups))
    print(json.dumps(line))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--model", default="midspan-0.5b")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--places", type=int, default=20)
    parser.add_argument("--keys", type=int, default=5, help="typed at each place")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run of typists")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--hang-ups", type=float, default=0.3)
    return parser


def _overhead(server: ServeProcess, chosen: list[Place], typed: int) -> dict[str, Any]:
    """Each place is typed twice, character by character: both ways have the same cache."""
    times: dict[str, list[float]] = {"socket": [], "http": []}
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    with contextlib.closing(server.connect()) as socket, contextlib.closing(connection):
        for number, place in enumerate(tqdm(chosen, desc="overhead")):
            for key in range(typed + 1):
                ways = ("socket", "http") if (number + key) % 2 else ("http", "socket")
                for way in ways:
                    if way == "http":
                        ms = _by_http(connection, place, key)
                    else:
                        request = place.request(
                            number=number * 100 + key,
                            session=f"o{number}",
                            keys=key,
                            tokens=_TOKENS,
                        )
                        _, ms = socket.infill(request)
                    if key:  # the first one encodes the context
                        times[way].append(ms)
    pairs = [http - unix for http, unix in zip(times["http"], times["socket"], strict=True)]
    return {
        **{f"{way}_ms": summary(ms) for way, ms in times.items()},
        "difference_p50_ms": round(statistics.median(pairs), 2),
    }


def _by_http(connection: http.client.HTTPConnection, place: Place, typed: int) -> float:
    body = _body(place, typed)
    data = json.dumps(body)
    began = time.perf_counter()
    connection.request("POST", "/v1/completions", data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    ms = (time.perf_counter() - began) * 1e3
    assert answer.status == 200, answer.status
    return ms


def _body(place: Place, typed: int, user: str = "bench") -> dict[str, Any]:
    return {
        "prompt": place.before + place.typed[:typed],
        "suffix": place.after,
        "max_tokens": _TOKENS,
        "user": user,
        "midspan": {"scope": "line", "language": "python"},
    }


async def _closed(port: int, clients: int, seconds: float) -> dict[str, Any]:
    chosen = places(4 * clients)
    times: list[float] = []
    tokens = 0
    until = time.perf_counter() + seconds

    async def ask_on(own: list[Place], user: str) -> None:
        nonlocal tokens
        turn = 0
        while time.perf_counter() < until:
            place = own[turn // 8 % len(own)]
            answer = await post(port, "/v1/completions", _body(place, turn % 8, user))
            assert answer.status == 200, answer.body
            times.append(answer.ms)
            tokens += answer.body["usage"]["completion_tokens"]
            turn += 1

    await asyncio.gather(*(ask_on(chosen[n::clients], f"closed-{n}") for n in range(clients)))
    return {
        "clients": clients,
        "ms": summary(times),
        "tokens_per_second": round(tokens / seconds, 1),
    }


async def _churn(server: ServeProcess, requests: int, hang_ups: float) -> dict[str, Any]:
    draw = random.Random(5)
    chosen = places(40)
    keys = 9
    outcomes: Counter[str] = Counter()
    memory: dict[int, float] = {}
    numbers = iter(tqdm(range(1, requests + 1), desc="churn"))
    typical_s = 0.1

    async def ask_on() -> None:
        nonlocal typical_s
        # Each types a few characters at one place, then goes on to another, as people do.
        user = f"churn-{draw.random()}"
        for own, number in enumerate(numbers):
            if own % keys == 0:
                place = draw.choice(chosen)
            body = _body(place, own % keys, user)
            body["max_tokens"] = draw.randint(1, 16)
            # Hanging up falls anywhere between the first byte and the answer.
            patience = draw.uniform(0.0, typical_s) if draw.random() < hang_ups else None
            began = time.perf_counter()
            outcomes[await _asked(server.port, body, patience)] += 1
            if patience is None:
                typical_s += 0.05 * (time.perf_counter() - began - typical_s)
            if number % 1000 == 0:
                memory[number] = server.resident_mb()

    await asyncio.gather(*(ask_on() for _ in range(_AT_A_TIME)))
    deadline = time.monotonic() + 10.0
    while server.waiting() and time.monotonic() < deadline:  # noqa: ASYNC110  another process
        await asyncio.sleep(0.05)
    first, last = memory.get(1000, 0.0), server.resident_mb()
    return {
        "outcomes": dict(outcomes),
        "memory_mb": memory,
        "grown_percent": round(100 * (last - first) / first, 2) if first else None,
        "stuck": server.waiting(),
        "open_files": server.open_files(),
        "disconnects_seen": server.metric("midspan_disconnects_total"),
    }


async def _asked(port: int, body: dict[str, Any], patience_s: float | None) -> str:
    """What became of one request whose client waits so long, or for ever."""
    try:
        async with asyncio.timeout(patience_s):
            return str((await post(port, "/v1/completions", body)).status)
    except TimeoutError:
        return "hung up"


if __name__ == "__main__":
    raise SystemExit(main())
