from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.http.languages import language_in, language_of

if TYPE_CHECKING:
    import httpx

PYTHON = "import os\n\n\ndef names(path):\n    for name in os.listdir(path):\n        yield "
OTHERS = {
    "go": "package main\n\nfunc names(path string) []string {\n\tfound := []string{}\n\t",
    "swift": "import Foundation\n\nfunc names(path: String) -> [String] {\n    ",
    "kotlin": "import java.io.File\n\nfun names(path: String): List<String> {\n    ",
    "scala": "import scala.io.Source\n\nclass Names:\n  def all(path: String): Names =\n    ",
    "haskell": "import Data.List\n\nnames :: String -> IO [String]\nnames path = do\n  ",
    "ruby": "def names(path)\n  if path\n    ",
    "gdscript": "func names(path):\n\tif path:\n\t\tfor name in path:\n\t\t\t",
    "rust": "use std::fs;\n\npub fn names(path: &str) -> Vec<String> {\n    ",
    "typescript": "import { a } from 'b';\n\nexport function names(path) {\n  const found = ",
    "lua": "local function names(path)\n  for name in path do\n    if name then\n    end\n  ",
    "yaml": "jobs:\n  with:\n    if: true\n  else:\n",
    "prose": "Dear all,\n  if this is you:\nhello\n",
}


@pytest.mark.parametrize(
    "text",
    [
        PYTHON,
        "from a import b\n\nx = ",
        "def add(a, b):\n",
        "async def f(  # odd\n    a,\n):\n    try:\n        ",
        "        if name in self.seen:\n            continue\n        with self.lock:\n",
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_python_is_told_by_its_lines(text: str, line_end: str) -> None:
    text = text.replace("\n", line_end)
    assert language_in(text, line_end) == "python"
    assert language_in("", text) == "python"


@pytest.mark.parametrize("text", ["", "x = 1\n", "{\n}\n", *OTHERS.values()])
def test_text_that_might_be_anything_is_left_open(text: str) -> None:
    assert language_in(text, "\n") == ""


def test_python_within_another_language_is_left_open() -> None:
    assert language_in(PYTHON, "\n" + OTHERS["typescript"]) == ""


def test_text_far_from_the_hole_has_no_say() -> None:
    assert language_in(OTHERS["go"] + "\n" * 5_000 + PYTHON, "") == "python"


@pytest.mark.parametrize("line", [" " * 9_000, "def a(" * 1_500, "a, " * 3_000, "if " * 3_000])
def test_reading_takes_time_in_proportion(line: str) -> None:
    # Far beyond a second where the time grows with the square.
    for _ in range(100):
        language_in(line, line)


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
