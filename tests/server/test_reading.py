from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server import reading
from midspan_server.ignore import IgnoreRules
from midspan_server.reading import ReadingRules

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_unsaved_document_may_be_read_and_a_secret_may_not(tmp_path: Path) -> None:
    rules = ReadingRules(IgnoreRules([tmp_path]))
    assert rules.allows(None)
    assert rules.allows(tmp_path / "a.py")
    assert not rules.allows(tmp_path / ".env")


def test_a_verdict_is_remembered_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = ReadingRules(IgnoreRules([tmp_path]))
    assert rules.allows(tmp_path / "a.py")
    (tmp_path / ".gitignore").write_text("a.py\n")
    assert rules.allows(tmp_path / "a.py")
    monkeypatch.setattr(reading, "_REMEMBERED_S", 0.0)
    assert not rules.allows(tmp_path / "a.py")


def test_new_rules_forget_the_old_verdicts(tmp_path: Path) -> None:
    rules = ReadingRules(IgnoreRules([tmp_path]))
    assert rules.allows(tmp_path / "a.py")
    rules.use(IgnoreRules([tmp_path], ["*.py"]))
    assert not rules.allows(tmp_path / "a.py")
