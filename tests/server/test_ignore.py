"""Which files are never read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from midspan_server.ignore import IgnoreRules

if TYPE_CHECKING:
    from pathlib import Path


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.local", "prod.env", "server.pem", "tls/private.KEY", "id_rsa",
        "id_ed25519.pub",
        ".aws/credentials", "credentials.json", "store.p12", ".netrc", ".npmrc", ".pypirc",
        "kubeconfig", ".kube/config", "secrets.yaml", "config/secrets.toml", ".ssh/config",
        "terraform.tfstate", "prod.tfvars", ".git-credentials", "Secrets.py",
        ".env-prod", "app.env.json", "prod.tfvars.json", "a.pem.txt", ".dockercfg", ".yarnrc.yml",
        ".azure/token.json", ".config/gh/hosts.yml", ".config/gcloud/a.db", ".git/config",
        ".env~", "id_rsa.bak", "secrets.yaml.orig", ".secrets.yaml.swp", ".netrc.bak~",
    ],
)  # fmt: skip
def test_files_that_hold_secrets_by_convention(tmp_path: Path, name: str) -> None:
    assert IgnoreRules([tmp_path]).forbids(tmp_path / name)
    assert IgnoreRules([]).forbids(tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        "main.py",
        "environment.py",
        "keys.ts",
        "monkey.go",
        "credential_store.py",
        "env/a.py",
        "credentials/provider.py",
        "secrets.d/a.py",
        "main.py~",
        ".gitignore",
        ".github/workflows/ci.yml",
    ],
)
def test_ordinary_files_are_read(tmp_path: Path, name: str) -> None:
    assert not IgnoreRules([tmp_path]).forbids(tmp_path / name)


def test_gitignore_as_git_reads_it(tmp_path: Path) -> None:
    _write(tmp_path / ".gitignore", "# build\nbuild/\n*.log\n!keep.log\n/top.txt\ndocs/*.html\n")
    rules = IgnoreRules([tmp_path])
    forbidden = ["build/a.py", "sub/build/b.py", "a.log", "sub/a.log", "top.txt", "docs/a.html"]
    allowed = ["keep.log", "sub/top.txt", "docs/sub/a.html", "builder/a.py"]
    assert [name for name in forbidden + allowed if rules.forbids(tmp_path / name)] == forbidden


def test_deeper_ignore_files_speak_last(tmp_path: Path) -> None:
    _write(tmp_path / ".gitignore", "*.txt\n")
    _write(tmp_path / "sub" / ".gitignore", "!*.txt\n/inner.py\n")
    rules = IgnoreRules([tmp_path])
    assert rules.forbids(tmp_path / "a.txt")
    assert not rules.forbids(tmp_path / "sub" / "a.txt")
    assert rules.forbids(tmp_path / "sub" / "inner.py")
    assert not rules.forbids(tmp_path / "sub" / "deeper" / "inner.py")


def test_nothing_inside_an_ignored_folder_comes_back(tmp_path: Path) -> None:
    _write(tmp_path / ".gitignore", "private/\n")
    _write(tmp_path / "private" / ".gitignore", "!*\n")
    assert IgnoreRules([tmp_path]).forbids(tmp_path / "private" / "a.py")


def test_midspanignore_has_the_same_rules_and_the_last_word(tmp_path: Path) -> None:
    _write(tmp_path / ".gitignore", "generated/\n")
    _write(tmp_path / ".midspanignore", "!generated/\nlegal/*.md\n")
    rules = IgnoreRules([tmp_path])
    assert not rules.forbids(tmp_path / "generated" / "a.py")
    assert rules.forbids(tmp_path / "legal" / "a.md")


def test_an_ignore_file_cannot_release_a_secret(tmp_path: Path) -> None:
    _write(tmp_path / ".midspanignore", "!.env\n")
    assert IgnoreRules([tmp_path]).forbids(tmp_path / ".env")


def test_a_changed_ignore_file_is_read_again(tmp_path: Path) -> None:
    rules = IgnoreRules([tmp_path])
    assert not rules.forbids(tmp_path / "a.py")
    _write(tmp_path / ".gitignore", "a.py\n")
    assert rules.forbids(tmp_path / "a.py")
    _write(tmp_path / ".gitignore", "b.py\n")
    later = (tmp_path / ".gitignore").stat().st_mtime + 1
    os.utime(tmp_path / ".gitignore", (later, later))
    assert not rules.forbids(tmp_path / "a.py")
    (tmp_path / ".gitignore").unlink()
    assert not rules.forbids(tmp_path / "b.py")


def test_extra_globs_hold_in_and_outside_the_workspace(tmp_path: Path) -> None:
    rules = IgnoreRules([tmp_path / "work"], ["*.sql", "vendor/"])
    assert rules.forbids(tmp_path / "work" / "vendor" / "a.py")
    assert rules.forbids(tmp_path / "work" / "a.sql")
    assert rules.forbids(tmp_path / "elsewhere" / "a.sql")
    assert not rules.forbids(tmp_path / "work" / "a.py")


def test_a_link_is_judged_by_what_it_points_to(tmp_path: Path) -> None:
    _write(tmp_path / ".env", "TOKEN=1\n")
    (tmp_path / "settings.py").symlink_to(tmp_path / ".env")
    assert IgnoreRules([tmp_path]).forbids(tmp_path / "settings.py")


def test_the_innermost_of_two_roots_counts(tmp_path: Path) -> None:
    _write(tmp_path / ".gitignore", "*.py\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert IgnoreRules([tmp_path]).forbids(inner / "a.py")
    assert not IgnoreRules([tmp_path, inner]).forbids(inner / "a.py")


def test_the_ignore_files_of_the_repository_above_the_root_count(tmp_path: Path) -> None:
    _write(tmp_path / ".gitignore", "*.log\n/app/generated/\n")
    app = tmp_path / "repository" / "app"
    _write(tmp_path / "repository" / ".git" / "HEAD", "ref: refs/heads/main\n")
    _write(tmp_path / "repository" / ".gitignore", "*.txt\n/app/private/\n")
    for rules in (IgnoreRules([app]), IgnoreRules([])):
        assert rules.forbids(app / "a.txt")
        assert rules.forbids(app / "private" / "a.py")
        assert not rules.forbids(app / "a.py")
        # What lies above the repository has no say in it.
        assert not rules.forbids(app / "a.log")


def test_extra_globs_count_from_the_opened_folder(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    rules = IgnoreRules([tmp_path / "app"], ["/a.py"])
    assert rules.forbids(tmp_path / "app" / "a.py")
    assert not rules.forbids(tmp_path / "app" / "sub" / "a.py")


def test_a_line_that_git_tolerates_and_pathspec_does_not_is_skipped_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path / ".gitignore", "!\nfoo\\\n\\\n[z-a]\n*.log\n")
    rules = IgnoreRules([tmp_path], ["!", "*.sql"])
    assert rules.forbids(tmp_path / "a.log")
    assert rules.forbids(tmp_path / "a.sql")
    assert not rules.forbids(tmp_path / "a.py")
    assert "line 4" in caplog.text
    assert "[z-a]" not in caplog.text


def test_links_in_a_circle_and_impossible_names_are_forbidden(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to(tmp_path / "b.py")
    (tmp_path / "b.py").symlink_to(tmp_path / "a.py")
    assert IgnoreRules([tmp_path]).forbids(tmp_path / "a.py")
    assert IgnoreRules([tmp_path]).forbids(tmp_path / "a\0.py")


def test_a_root_that_is_a_circle_of_links_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    assert not IgnoreRules([tmp_path / "a"]).forbids(tmp_path / "b.py")


def test_a_pattern_that_is_not_text_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xff\xfe\n*.log\n")
    assert IgnoreRules([tmp_path]).forbids(tmp_path / "a.log")
