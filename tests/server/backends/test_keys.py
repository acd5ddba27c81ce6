from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from midspan_server.backends.failure import BackendFailure
from midspan_server.backends.keys import read_key
from midspan_server.backends.settings import BackendSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", " sk-env\n")
    monkeypatch.delenv("NO_KEY", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "key"
    made.write_text("sk-file\n")
    made.chmod(0o600)
    return made


def _key(**chosen: Any) -> str:
    return read_key(BackendSettings(kind="openai", **chosen))


def _refused(**chosen: Any) -> str:
    with pytest.raises(BackendFailure) as caught:
        _key(**chosen)
    assert caught.value.lasting
    assert "sk-" not in str(caught.value)
    return str(caught.value)


def test_a_key_comes_from_the_environment_before_the_file(file: Path) -> None:
    assert _key() == ""
    assert _key(api_key_env="SOME_KEY", api_key_file=str(file)) == "sk-env"
    assert _key(api_key_env="NO_KEY", api_key_file=str(file)) == "sk-file"


def test_a_variable_that_is_not_set_is_named() -> None:
    assert "NO_KEY (midspan.backend.apiKeyEnv) is not set" in _refused(api_key_env="NO_KEY")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_reach_is_not_used(mode: int, file: Path) -> None:
    file.chmod(mode)
    assert "chmod 600" in _refused(api_key_file=str(file))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in _refused(api_key_file=str(tmp_path / "none"))
    assert "cannot be read" in _refused(api_key_file=str(tmp_path))


@pytest.mark.parametrize("content", ["", "sk-one\nsk-two", "sk-ü", "sk-" + "x" * 5000])
def test_what_is_no_key_is_not_sent(content: str, file: Path) -> None:
    file.write_text(content)
    assert "does not hold an API key" in _refused(api_key_file=str(file))
