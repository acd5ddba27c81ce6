from __future__ import annotations

import io

from midspan_engine.weights.progress import Terminal


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_file_gets_a_line_now_and_then() -> None:
    stream, now = io.StringIO(), [0.0]
    with Terminal(stream, clock=lambda: now[0]).bar("converting", 100_000_000) as advance:
        for _ in range(10):
            now[0] += 1
            advance(10_000_000)
    lines = stream.getvalue().splitlines()
    assert lines == [
        "converting:  50 % of 100.0 MB, 10.0 MB/s, 5 s",
        "converting: 100 % of 100.0 MB, 10.0 MB/s, 10 s",
    ]


def test_resumed_bytes_do_not_count_as_speed() -> None:
    stream, now = io.StringIO(), [0.0]
    with Terminal(stream, clock=lambda: now[0]).bar("a", 100_000_000, 90_000_000) as advance:
        now[0] = 2
        advance(10_000_000)
    assert stream.getvalue() == "a: 100 % of 100.0 MB, 5.0 MB/s, 2 s\n"


def test_a_terminal_gets_a_moving_bar() -> None:
    stream = _Tty()
    with Terminal(stream).bar("converting", 1000) as advance:
        advance(1000)
    assert "100%" in stream.getvalue()
    assert "\r" in stream.getvalue()
