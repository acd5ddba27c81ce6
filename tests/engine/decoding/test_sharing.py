"""Requests of different sessions share passes, and none of them waits for ever."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from midspan_engine.protocol import Infill, InfillRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.engine import Engine

    MakeEngine = Callable[..., Engine]


def test_small_passes_do_not_starve_a_long_context(make_engine: MakeEngine) -> None:
    engine = make_engine(adapter=True)
    answers: list[object] = []
    # With the passes of the others there is no room for any of its chunks.
    text = "".join(f"value_{n} = {n}\n" for n in range(200))
    long = InfillRequest(id=1, session="long", prefix=text, max_tokens=1)
    numbers = itertools.count(2)

    def keep_busy() -> None:
        while engine.waiting < 12:
            n = next(numbers)
            small = InfillRequest(
                id=n, session=f"small {n % 30}", prefix=f"x{n} = ", max_tokens=200, scope="block"
            )
            engine.submit(n, small, lambda _answer: None)

    keep_busy()
    engine.step()
    engine.submit(1, long, answers.append)
    chunks = -(-engine.config.context_limit // engine.config.chunk)
    for _ in range(4 * (chunks + 2)):
        keep_busy()
        engine.step()
        if answers:
            break
    assert answers
    assert isinstance(answers[-1], Infill)


def test_each_pass_is_reported_with_its_requests_and_rows(make_engine: MakeEngine) -> None:
    engine = make_engine()
    passes: list[tuple[int, int, float]] = []
    engine.on_pass = lambda *cost: passes.append(cost)
    for n in range(3):
        engine.submit(
            n, InfillRequest(id=n, session=str(n), prefix="x = ", max_tokens=4), lambda _: None
        )
    while engine.step():
        pass
    assert passes[0][0] == 3
    assert all(rows >= requests and seconds > 0 for requests, rows, seconds in passes)
