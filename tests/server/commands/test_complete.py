from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING

import pytest

from midspan_server.commands import complete
from midspan_server.commands.complete import PlaceInvalid, Target, offset_of
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from pathlib import Path

SNAPSHOT = DocumentSnapshot(
    uri="untitled:it", path=None, version=0, language="python", text="ab\r\n😀y\n"
)


def _arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    complete.add_arguments(parser)
    return parser.parse_args(given)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("a.py", Target(file="a.py")),
        ("a.py:3", Target(file="a.py", line=3)),
        ("a.py:3:7", Target(file="a.py", line=3, column=7)),
        ("-", Target(file="-")),
        ("-:2:1", Target(file="-", line=2, column=1)),
        ("c:/x.py:1:2", Target(file="c:/x.py", line=1, column=2)),
        ("a:b", Target(file="a:b")),
    ],
)
def test_a_target_is_a_file_and_perhaps_a_line_and_a_column(text: str, target: Target) -> None:
    assert Target.parse(text) == target


def test_a_file_that_exists_is_itself_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log:12").write_text("")
    assert Target.parse("log:12") == Target(file="log:12")


@pytest.mark.parametrize(
    ("line", "column", "offset"),
    [(None, None, 7), (1, None, 2), (1, 1, 0), (1, 3, 2), (2, 2, 5), (2, 3, 6), (3, 1, 7)],
)
def test_lines_and_columns_count_characters_from_one(
    line: int | None, column: int | None, offset: int
) -> None:
    assert offset_of(SNAPSHOT, Target(file="it", line=line, column=column)) == offset


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        (0, 1, "no line 0; the last one is 3"),
        (4, 1, "no line 4; the last one is 3"),
        (1, 4, "no column 4; the last one is 3"),
        (3, 0, "no column 0; the last one is 1"),
    ],
)
def test_a_place_that_is_not_there_is_told(line: int, column: int, said: str) -> None:
    with pytest.raises(PlaceInvalid, match=said):
        offset_of(SNAPSHOT, Target(file="it", line=line, column=column))


@pytest.mark.parametrize("name", [".env", "id_rsa", "server.pem"])
def test_a_file_that_may_hold_secrets_is_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("TOKEN=")
    with pytest.raises(PlaceInvalid, match="never read"):
        complete.run(_arguments(str(tmp_path / name)))


def test_a_file_that_its_repository_ignores_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("/sub/\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.py").write_text("x = 1\n")
    with pytest.raises(PlaceInvalid, match="never read"):
        complete.run(_arguments(str(tmp_path / "sub" / "a.py")))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlaceInvalid, match="cannot be read: No such file"):
        complete.run(_arguments(str(tmp_path / "absent.py")))


def test_bytes_that_are_no_text_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlaceInvalid, match="is not UTF-8"):
        complete.run(_arguments(str(tmp_path / "a.py")))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    with pytest.raises(PlaceInvalid, match="standard input is not UTF-8"):
        complete.run(_arguments("-"))


@pytest.mark.parametrize("flag", ["--n", "--max-tokens"])
def test_counts_below_one_are_wrong_arguments(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _arguments("a.py", flag, "0")
    assert ended.value.code == 2
    assert "must be 1 or more" in capsys.readouterr().err
