from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.training.edits.bodies import change_types, wrap_returns
from midspan_engine.training.edits.naming import new_name
from midspan_engine.training.edits.refactor import refactored
from midspan_engine.training.edits.renames import rename_field, rename_function, rename_local
from midspan_engine.training.edits.revision import applied, by_line
from midspan_engine.training.edits.signatures import add_parameter, to_async, to_options
from midspan_engine.training.edits.syntax import SourceTree

if TYPE_CHECKING:
    from midspan_engine.training.edits.refactor import Refactoring


def _after(kind: Refactoring, text: str, language: str, seed: int = 0) -> str | None:
    tree = SourceTree.parse(text, language)
    assert tree is not None
    changes = kind(tree, np.random.default_rng(seed))
    if changes is None:
        return None
    assert len(by_line(text, changes)) > 1
    result = applied(text, 0, len(text), changes)
    assert SourceTree.parse(result, language) is not None, result
    return result


def test_a_parameter_is_renamed_but_not_what_only_has_its_name() -> None:
    text = (
        "def read(path, size):\n"
        "    handle = open(path)\n"
        "    check(handle.path, path=path)\n"
        "    return path\n"
    )
    result = _after(rename_local, text, "python")
    assert result is not None
    name = result[len("def read(") :].split(",")[0]
    assert name != "path"
    assert result == (
        f"def read({name}, size):\n"
        f"    handle = open({name})\n"
        f"    check(handle.path, path={name})\n"
        f"    return {name}\n"
    )


def test_a_shorthand_property_keeps_its_key() -> None:
    text = "function read(path) {\n  open(path);\n  send({ path });\n  return path;\n}\n"
    result = _after(rename_local, text, "javascript")
    assert result is not None
    name = result[len("function read(") :].split(")")[0]
    assert f"send({{ path: {name} }});" in result


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("go", "package a\n\nfunc f(path string) {\n\tg(path)\n\th(path)\n\ti(path)\n}\n"),
        ("rust", "fn f(path: u8) -> u8 {\n    g(path);\n    h(path);\n    i(path)\n}\n"),
        ("java", "class A {\n  void f(int path) {\n    g(path);\n    h(path, path);\n  }\n}\n"),
        ("c", "int f(char *path) {\n  g(path);\n  h(path);\n  return i(path);\n}\n"),
        ("cpp", "int f(char &path) {\n  g(path);\n  h(path);\n  return i(path);\n}\n"),
        ("typescript", "function f(path: string) {\n  g(path);\n  h(path);\n  return path;\n}\n"),
    ],
)  # fmt: skip
def test_names_are_renamed_in_every_language(language: str, text: str) -> None:
    result = _after(rename_local, text, language)
    assert result is not None
    assert "path" not in result.replace("_path", "").replace("path_", "").replace("Path", "")


def test_a_function_is_renamed_with_its_uses() -> None:
    text = "def load(a):\n    return a\n\n\nx = load(1)\ny = load(2)\nz = other.load(3)\n"
    result = _after(rename_function, text, "python")
    assert result is not None
    assert result.count("load(") - result.count("_load(") == 1
    assert "z = other.load(3)" in result


def test_a_field_is_renamed_in_its_class() -> None:
    text = (
        "class Reader {\n  constructor() {\n    this.path = 1;\n  }\n  get() {\n"
        "    open(this.path);\n    return this.path;\n  }\n}\nconst path = 2;\n"
    )
    result = _after(rename_field, text, "javascript")
    assert result is not None
    assert "this.path;" not in result
    assert result.endswith("const path = 2;\n")


def test_calls_pass_the_parameter_that_was_added() -> None:
    text = "def load(a, b=1):\n    return a\n\n\nx = load(1)\ny = load(\n    2,\n)\n"
    result = _after(add_parameter, text, "python")
    assert result is not None
    name = result.split("b=1, ")[1].split("=")[0]
    assert result.startswith(f"def load(a, b=1, {name}=None):\n")
    assert f"x = load(1, {name}=" in result
    assert f"y = load(\n    2,\n    {name}=" in result


def test_positional_arguments_become_keywords_or_one_object() -> None:
    python = "def load(a, b):\n    return a\n\n\nx = load(1, 2)\ny = load(3, 4)\n"
    assert _after(to_options, python, "python") == (
        "def load(a, *, b):\n    return a\n\n\nx = load(1, b=2)\ny = load(3, b=4)\n"
    )
    script = "function load(a, b) {\n  return a;\n}\nx = load(1, b);\ny = load(a, 4);\n"
    assert _after(to_options, script, "javascript") == (
        "function load({ a, b }) {\n  return a;\n}\n"
        "x = load({ a: 1, b });\ny = load({ a, b: 4 });\n"
    )
    typed = "function load(a: X, b: Y) {\n  return a;\n}\nx = load(1, b);\ny = load(a, 4);\n"
    result = _after(to_options, typed, "typescript")
    assert result is not None
    assert result.startswith("function load({ a, b }: { a: X; b: Y }) {")


def test_callers_of_a_coroutine_await_it_and_become_coroutines() -> None:
    text = (
        "def load(a):\n    return a\n\n\n"
        "def one():\n    return load(1)\n\n\n"
        "def two():\n    return load(2).name\n"
    )
    assert _after(to_async, text, "python") == (
        "async def load(a):\n    return a\n\n\n"
        "async def one():\n    return await load(1)\n\n\n"
        "async def two():\n    return (await load(2)).name\n"
    )


def test_a_function_that_the_module_itself_calls_cannot_become_a_coroutine() -> None:
    text = "def load(a):\n    return a\n\n\nx = load(1)\ny = load(2)\n"
    assert _after(to_async, text, "python") is None


def test_every_return_of_a_function_is_wrapped() -> None:
    text = "function f(a) {\n  if (a) {\n    return a;\n  }\n  return g(a);\n}\n"
    result = _after(wrap_returns, text, "javascript")
    assert result is not None
    assert "return a;" not in result
    assert "return g(a);" not in result


def test_the_type_of_one_name_changes_everywhere() -> None:
    text = "".join(f"def f{n}(path: str, size: int):\n    return {n}\n\n\n" for n in range(3))
    result = _after(change_types, text, "python")
    assert result is not None
    assert ("path: str," in result) != ("size: int)" in result)


def test_text_that_does_not_parse_is_left_alone() -> None:
    assert SourceTree.parse("def broken(:\n", "python") is None
    assert SourceTree.parse("name = 'é'\n", "python") is None
    assert SourceTree.parse("text", "cobol") is None


@pytest.mark.parametrize("old", ["file_path", "filePath", "FilePath", "FILE_PATH", "path", "_path"])
def test_new_names_have_the_style_of_the_old(old: str) -> None:
    for seed in range(30):
        name = new_name(old, {old}, np.random.default_rng(seed))
        assert name != old
        assert name.isidentifier()
        assert name.isupper() == old.isupper()
        assert name[0].isupper() == old[0].isupper()
        assert not ("_" in name.strip("_") and any(map(str.isupper, old)) and not old.isupper())


def test_samples_ask_for_the_next_step_and_for_silence() -> None:
    text = "".join(
        f"def read_{n}(path_{n}, size):\n    open(path_{n})\n    check(path_{n}, size)\n"
        + "".join(f"    step_{step} = {step}\n" for step in range(20))
        + f"    return path_{n}\n\n\n"
        for n in range(4)
    )
    found = []
    for seed in range(10):
        found += list(refactored({"a.py": text}, np.random.default_rng(seed)))
    changed = [sample for sample in found if not sample.quiet]
    assert changed
    assert len(changed) < len(found)
    for sample in found:
        assert sample.history
        assert sample.language == "python"
