"""Requests of different sessions share passes, and none of them waits for ever."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.protocol import Infill, InfillRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.engine import Engine

    MakeEngine = Callable[..., Engine]


def test_small_passes_do_not_starve_a_long_context(make_engine: MakeEngine) -> None:
    engine = make_engine(adapter=True, most_active=13)
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
    config = DecodeConfig()
    chunks = -(-config.context_limit // config.chunk)
    for _ in range(4 * (chunks + 2)):
        keep_busy()
        engine.step()
        if answers:
            break
    assert answers
    assert isinstance(answers[-1], Infill)


def test_the_oldest_run_and_the_others_wait_for_their_turn(make_engine: MakeEngine) -> None:
    engine = make_engine(most_active=2)
    order: list[int] = []
    requests: list[int] = []
    engine.on_pass = lambda together, _rows, _seconds: requests.append(together)
    for n in range(6):
        request = InfillRequest(id=n, session=str(n), prefix=f"x{n} = ", max_tokens=3)
        engine.submit(n, request, lambda _answer, n=n: order.append(n))  # type: ignore[misc]
    assert engine.waiting == 6
    while engine.step():
        assert max(order, default=0) <= len(order) + 1
    assert sorted(order) == list(range(6))
    assert max(requests) == 2


def test_a_request_that_never_ran_leaves_its_session_as_it_was(make_engine: MakeEngine) -> None:
    engine = make_engine(most_active=1)
    suffix = "\n".join(f"value_{n} = {n}" for n in range(30))
    own = InfillRequest(id=1, session="own", prefix="x = ", suffix=suffix, max_tokens=2)
    engine.infill(own)
    other = InfillRequest(id=2, session="other", prefix="y = ", max_tokens=30)
    engine.submit(2, other, lambda _answer: None)
    engine.step()
    rows = engine.runtime.count.rows
    answers: list[Infill] = []
    newer = InfillRequest(id=3, session="own", prefix="x = 1", suffix=suffix, max_tokens=2)
    engine.submit(3, newer, answers.append)  # type: ignore[arg-type]
    engine.cancel(3)
    assert [answer.choices for answer in answers] == [()]
    assert engine.runtime.count.rows == rows
    while engine.step():
        pass
    stats = engine.infill(own).stats
    assert stats.cached_tokens == stats.prompt_tokens - 1


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
