from __future__ import annotations

import pytest

from midspan_engine.decoding.repeated import repeated

RENAME = " import os\n-def load(path):\n+def fetch(path):\n     pass\n"


def test_a_word_that_was_replaced_is_replaced_everywhere() -> None:
    region = "x = load(a)\ny = loader.load(b)\n"
    assert repeated(RENAME, region) == "x = fetch(a)\ny = loader.fetch(b)\n"


def test_an_insertion_is_repeated_where_the_words_around_it_agree() -> None:
    diff = "-    send(host, port)\n+    send(host, port, retry=3)\n"
    region = "    send(host, port)\n    receive(host, port)\n    close(port)\n"
    assert repeated(diff, region) == (
        "    send(host, port, retry=3)\n    receive(host, port, retry=3)\n    close(port)\n"
    )


def test_what_was_taken_out_goes_where_the_words_around_it_agree() -> None:
    diff = "-value = await get(a)\n+value = get(a)\n"
    assert repeated(diff, "value = await get(b)\nawait other\n") == "value = get(b)\nawait other\n"


@pytest.mark.parametrize(
    "diff",
    ["", " a\n b\n", "+only added\n", "-only removed\n", "-x\n x\n+y\n", RENAME + "-" * 10_000],
)
def test_without_a_pattern_the_region_stays(diff: str) -> None:
    region = "x = load(a)\n\n\ttab, né\r\n"
    assert repeated(diff, region) == region


def test_signs_and_single_letters_are_not_replaced_everywhere() -> None:
    assert repeated("-a = b\n+c = b\n", "a = 1\nb = a\n") == "c = 1\nb = a\n"
    assert repeated("-f(x)\n+f[x]\n", "g(y)\n") == "g(y)\n"
