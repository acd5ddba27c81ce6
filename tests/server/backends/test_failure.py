from __future__ import annotations

import pytest

from midspan_server.backends.failure import error_text, quoted, refusal


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": {"message": "no slot", "code": 503}}', "no slot"),
        (b'{"error": "model not found"}', "model not found"),
        (b'{"object": "error", "message": "too long", "code": 400}', "too long"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"detail": [{"loc": ["body"], "msg": "bad", "input": "source"}]}', ""),
        (b"<html>", ""),
        (b"\xff", ""),
        (b"3", ""),
        (b"[" * 50_000, ""),
    ],
)
def test_the_sentence_is_found_in_every_servers_errors(body: bytes, text: str) -> None:
    assert error_text(body) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such\n model", ": no such model"),
        ("", ""),
        ("x" * 201, ""),
        ("bell \a", ""),
        ("cannot read 'password = hunter2' here", ""),
        ("prompt: word = hunter2\\nprint(", ""),
        ("your key k-1 is old", ""),
    ],
)
def test_what_a_server_says_is_short_and_repeats_nothing_that_is_hidden(
    text: str, shown: str
) -> None:
    assert quoted(text, ("k-1", "user = 1\npassword = hunter2\nprint(1)\n", "")) == shown


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("", None), ("-1", None), ("nan", None), ("soon", None)]
)
def test_only_seconds_are_waited_for(header: str, seconds: float | None) -> None:
    failure = refusal("h", 429, b"", hidden=(), retry_after=header)
    assert failure.retry
    assert failure.retry_after_s == seconds
