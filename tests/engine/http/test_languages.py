from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.http.languages import language_in, language_of

if TYPE_CHECKING:
    import httpx

TEXTS = {
    "python": "import os\n\n\ndef names(path):\n    for name in os.listdir(path):\n        yield ",
    "go": "package main\n\nfunc names(path string) []string {\n\tfound := []string{}\n\t",
    "rust": "use std::fs;\n\npub fn names(path: &str) -> Vec<String> {\n    let mut found = ",
    "java": "package a.b;\n\npublic class Names {\n    private final String path;\n\n    ",
    "cpp": "#include <string>\n\ntemplate <typename T>\nstd::string name(T value) {\n  ",
    "typescript": "import fs from 'fs';\n\nexport function names(path) {\n  const found = ",
}


@pytest.mark.parametrize("language", TEXTS)
def test_plain_code_is_told_by_its_lines(language: str) -> None:
    assert language_in(TEXTS[language], "\n") == language
    assert language_in("", TEXTS[language]) == language


@pytest.mark.parametrize(
    "text", ["", "x = 1\n", "Dear all,\nif this reaches you: fine.\n", "{\n}\n"]
)
def test_text_that_might_be_anything_is_left_open(text: str) -> None:
    assert language_in(text, "") == ""


def test_two_languages_in_one_text_are_left_open() -> None:
    assert language_in(TEXTS["python"], TEXTS["typescript"]) == ""


def test_text_far_from_the_hole_has_no_say() -> None:
    far = TEXTS["go"] + "\n" * 5_000
    assert language_in(far + TEXTS["python"], "") == "python"


def test_a_long_line_takes_no_time() -> None:
    assert language_in("a, " * 500_000, "if " * 500_000) == ""


def test_file_names_tell_the_language() -> None:
    assert language_of("src\\a.TSX") == "typescriptreact"
    assert language_of("Makefile") == ""


def test_a_prompt_that_is_plainly_python_is_indented_as_python_is(web: httpx.Client) -> None:
    def answer(**extras: str) -> str:
        asked = {"prompt": "def a(b):\n", "suffix": "\n", "max_tokens": 8, "midspan": extras}
        text: str = web.post("/v1/completions", json=asked).json()["choices"][0]["text"]
        return text

    assert answer().startswith("    ")
    assert answer() == answer(language="python")
    assert answer() != answer(language="markdown")
