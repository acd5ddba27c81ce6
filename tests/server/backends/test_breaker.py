from __future__ import annotations

from midspan_server.backends.breaker import CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(clock=clock)
    for _ in range(3):
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = CircuitBreaker(clock=Clock())
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        assert breaker.allows()
        breaker.succeeded()
    for _ in range(3):
        breaker.failed()
    assert breaker.is_open
    assert not breaker.allows()


def test_after_a_pause_one_request_may_probe() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 14
    assert not breaker.allows()
    clock.now += 1
    assert [breaker.allows(), breaker.allows()] == [True, False]
    assert breaker.is_open
    breaker.succeeded()
    assert not breaker.is_open
    assert [breaker.allows(), breaker.allows()] == [True, True]


def test_a_probe_that_fails_doubles_the_pause_up_to_ten_minutes() -> None:
    clock = Clock()
    breaker = _opened(clock)
    for pause in (30, 60, 120, 240, 480, 600, 600):
        breaker.try_again()
        assert breaker.allows()
        breaker.failed()
        clock.now += pause - 1
        assert not breaker.allows()
        clock.now += 1
        assert breaker.allows()
        breaker.release()


def test_a_probe_that_was_cancelled_makes_room_for_another() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 15
    assert breaker.allows()
    breaker.release()
    assert breaker.allows()


def test_what_only_the_user_can_mend_opens_at_once_until_the_user_asks() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    breaker.failed(lasting=True)
    clock.now += 299
    assert not breaker.allows()
    breaker.try_again()
    assert breaker.allows()


def test_a_pause_that_the_server_asked_for_is_kept() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    breaker.failed(pause_s=40)
    clock.now += 39
    assert not breaker.allows()
    clock.now += 1
    assert breaker.allows()
