from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from midspan_server.snapshot import DocumentSnapshot

ENCODINGS = ("utf-8", "utf-16", "utf-32")
SNAKE = "\N{SNAKE}"
_codecs = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
_texts = st.text(
    alphabet=st.sampled_from(["a", " ", "\t", "é", "€", SNAKE, "\r", "\n", "\f", "\u2028", "\x85"]),
    max_size=40,
)


def _snapshot(text: str) -> DocumentSnapshot:
    return DocumentSnapshot("file:///a.py", Path("/a.py"), 1, "python", text)


def _lines(text: str) -> list[str]:
    """The lines of `text` with their ends, found one character at a time."""
    lines = [""]
    for at, character in enumerate(text):
        lines[-1] += character
        if character == "\n" or (character == "\r" and text[at + 1 : at + 2] != "\n"):
            lines.append("")
    return lines


def _units(text: str, encoding: str) -> int:
    codec, size = _codecs[encoding]
    return len(text.encode(codec)) // size


@given(_texts)
def test_lines_end_at_lf_crlf_and_cr_only(text: str) -> None:
    lines = _lines(text)
    snapshot = _snapshot(text)
    assert list(snapshot.line_starts) == [
        sum(map(len, lines[:number])) for number in range(len(lines))
    ]
    for number, line in enumerate(lines):
        assert snapshot.line_end(number) == snapshot.line_starts[number] + len(line.rstrip("\r\n"))


@given(_texts, st.sampled_from(ENCODINGS), st.data())
def test_a_position_is_the_offset_it_came_from(
    text: str, encoding: str, data: st.DataObject
) -> None:
    snapshot = _snapshot(text)
    line = data.draw(st.integers(0, snapshot.line_count - 1))
    start, end = snapshot.line_starts[line], snapshot.line_end(line)
    offset = data.draw(st.integers(start, end))
    position = snapshot.position_at(offset, encoding)
    assert position == types.Position(line, _units(text[start:offset], encoding))
    assert snapshot.offset_at(position, encoding) == offset


@given(_texts, _texts, st.data())
def test_replacing_keeps_the_line_starts_right(text: str, new: str, data: st.DataObject) -> None:
    snapshot = _snapshot(text)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    assert snapshot.line_starts[0] == 0
    replaced = snapshot.replaced(start, end, new, version=2)
    assert replaced.text == text[:start] + new + text[end:]
    assert list(replaced.line_starts) == list(_snapshot(replaced.text).line_starts)
    assert replaced.version == 2


@pytest.mark.parametrize(
    ("encoding", "character"), [("utf-8", 2), ("utf-8", 4), ("utf-16", 2)], ids=str
)
def test_a_position_inside_a_character_is_its_start(encoding: str, character: int) -> None:
    assert _snapshot(f"a{SNAKE}b").offset_at(types.Position(0, character), encoding) == 1


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("line", "character", "offset"), [(0, 99, 1), (1, 99, 4), (2, 0, 6), (99, 0, 6)]
)
def test_positions_beyond_the_text_are_clamped(
    encoding: str, line: int, character: int, offset: int
) -> None:
    assert _snapshot("a\né€\r\n").offset_at(types.Position(line, character), encoding) == offset


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_half_a_surrogate_pair_counts_as_one_unit_of_utf_16(encoding: str) -> None:
    snapshot = _snapshot("a\ud83db")
    position = snapshot.position_at(2, encoding)
    assert position.character == {"utf-8": 4, "utf-16": 2, "utf-32": 2}[encoding]
    assert snapshot.offset_at(position, encoding) == 2


def test_two_halves_of_a_character_become_the_character() -> None:
    first = _snapshot("ab").replaced(1, 1, "\ud83d", version=2)
    second = first.replaced(2, 2, "\udc0d", version=3)
    assert second.text == f"a{SNAKE}b"
    assert second.position_at(2, "utf-16") == types.Position(0, 3)


def test_an_end_before_its_start_replaces_nothing() -> None:
    assert _snapshot("abc").replaced(2, 1, "x", version=2).text == "abxc"


def test_a_long_line_and_many_lines_stay_quick() -> None:
    long = _snapshot("é" * 1_000_000)
    many = _snapshot("number = 1\n" * 20_000)
    began = time.perf_counter()
    for step in range(20):
        long.offset_at(types.Position(0, 900_000 + step), "utf-16")
        many = many.replaced(100_000, 100_000, "x", version=step)
        many.position_at(150_000, "utf-16")
    # Some 40 ms on an idle machine; a scan for each character takes minutes.
    assert time.perf_counter() - began < 5
