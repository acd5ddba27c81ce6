from __future__ import annotations

from pathlib import Path

import pytest

from midspan_server.language_of import language_of
from midspan_server.syntax.grammars import languages


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("a.tsx", "typescriptreact"),
        ("A.GO", "go"),
        ("archive.tar.rs", "rust"),
        ("Makefile", ""),
        ("a.unheard-of", ""),
    ],
)
def test_the_suffix_decides(name: str, language: str) -> None:
    assert language_of(Path(name)) == language


def test_every_grammar_is_reached_by_a_suffix_or_is_another_name_of_one() -> None:
    suffixes = "sh c cpp cs css cu go html java js jsx json jsonc less lua php py rb rs scss ts tsx"
    reached = {language_of(Path(f"a.{suffix}")) for suffix in suffixes.split()}
    assert set(languages()) - reached == {"bash", "sh"}
