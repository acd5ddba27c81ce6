from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_server import reading
from midspan_server.ignore import IgnoreRules
from midspan_server.reading import ReadingRules

if TYPE_CHECKING:
    from pathlib import Path


def _allows(rules: ReadingRules, path: Path) -> bool:
    return rules.allows(path, path.as_uri())


@pytest.mark.parametrize(
    "uri",
    [
        "untitled:.env",
        "vscode-remote://ssh-remote%2Bhost/project/.env",
        "vscode-remote://host/home/u/.ssh/config",
        "git:/project/.env?%7B%22ref%22%3A%22HEAD%22%7D",
        "git:/project/.netrc.git",
        "untitled:c:\\project\\id_rsa",
    ],
)
def test_a_secret_is_one_wherever_it_lies(uri: str) -> None:
    assert not ReadingRules(IgnoreRules([])).allows(None, uri)


@pytest.mark.parametrize("uri", ["git:/project/a.py?.env", "vscode-remote://host/p/a.py", "x:"])
def test_other_documents_that_are_no_files_are_read(uri: str) -> None:
    assert ReadingRules(IgnoreRules([])).allows(None, uri)


def test_an_unsaved_document_may_be_read_and_a_secret_may_not(tmp_path: Path) -> None:
    rules = ReadingRules(IgnoreRules([tmp_path]))
    assert rules.allows(None, "untitled:Untitled-1")
    assert _allows(rules, tmp_path / "a.py")
    assert not _allows(rules, tmp_path / ".env")


def test_a_verdict_is_remembered_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = ReadingRules(IgnoreRules([tmp_path]))
    assert _allows(rules, tmp_path / "a.py")
    (tmp_path / ".gitignore").write_text("a.py\n")
    assert _allows(rules, tmp_path / "a.py")
    monkeypatch.setattr(reading, "_REMEMBERED_S", 0.0)
    assert not _allows(rules, tmp_path / "a.py")


def test_new_rules_forget_the_old_verdicts(tmp_path: Path) -> None:
    rules = ReadingRules(IgnoreRules([tmp_path]))
    assert _allows(rules, tmp_path / "a.py")
    rules.use(IgnoreRules([tmp_path], ["*.py"]))
    assert not _allows(rules, tmp_path / "a.py")
