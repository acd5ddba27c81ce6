from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import MidspanError
from midspan_server import __main__ as program

if TYPE_CHECKING:
    import argparse

HEAVY = ("torch", "numpy", "openvino", "tokenizers", "gguf", "httpx")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A command `probe` whose `run` a test replaces."""
    module = types.ModuleType("midspan_probe_command")
    module.HELP = "probe things"  # type: ignore[attr-defined]
    module.add_arguments = lambda parser: parser.add_argument("--x", type=int)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "midspan_probe_command", module)
    monkeypatch.setattr(program, "_commands", lambda: {"probe": "midspan_probe_command"})
    return module


def _raising(error: BaseException) -> object:
    def run(_: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize("given", [["--version"], ["--help"]])
def test_the_program_itself_imports_nothing_heavy(given: list[str]) -> None:
    code = (
        "import sys\n"
        "from midspan_server.__main__ import main\n"
        f"try: main({given!r})\n"
        "except SystemExit as done: assert not done.code\n"
        f"sys.exit(not {set(HEAVY)!r}.isdisjoint(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "midspan" in done.stdout


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--version"])
    assert capsys.readouterr().out == f"midspan {importlib.metadata.version('midspan')}\n"


def test_help_lists_every_command_with_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--help"])
    shown = capsys.readouterr().out
    for entry in importlib.metadata.entry_points(group="midspan.commands"):
        assert f"  {entry.name} " in shown
    assert "fetch a model's weights and convert them once" in shown


def test_without_a_command_help_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 2
    said = capsys.readouterr()
    assert "commands:" in said.err
    assert said.out == ""


def test_an_unknown_command_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        program.main(["comlete"])
    assert stopped.value.code == 2
    assert "there is no command 'comlete'; choose from bench, complete" in capsys.readouterr().err


def test_a_command_gets_its_arguments_and_gives_the_exit_code(command: types.ModuleType) -> None:
    command.run = lambda args: args.x  # type: ignore[attr-defined]
    assert program.main(["probe", "--x", "7"]) == 7


def test_an_error_of_ours_is_one_line_without_a_traceback(
    command: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    command.run = _raising(MidspanError("do this"))  # type: ignore[attr-defined]
    assert program.main(["probe"]) == 1
    assert capsys.readouterr().err == "midspan probe: do this\n"


@pytest.mark.parametrize(
    ("package", "extra"), [("torch.nn", "torch"), ("gguf", "engine"), ("matplotlib", "bench")]
)
def test_a_missing_package_names_the_extra(
    command: types.ModuleType, capsys: pytest.CaptureFixture[str], package: str, extra: str
) -> None:
    command.run = _raising(ModuleNotFoundError(name=package))  # type: ignore[attr-defined]
    assert program.main(["probe"]) == 1
    said = capsys.readouterr().err
    assert package.partition(".")[0] in said
    assert f"pip install 'midspan[{extra}]'" in said


def test_a_missing_module_of_our_own_is_a_bug_and_shows_as_one(command: types.ModuleType) -> None:
    error = ModuleNotFoundError(name="midspan_engine.absent")
    command.run = _raising(error)  # type: ignore[attr-defined]
    with pytest.raises(ModuleNotFoundError):
        program.main(["probe"])


def test_an_interrupt_ends_quietly(
    command: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    command.run = _raising(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert program.main(["probe"]) == 130
    assert capsys.readouterr().err == "midspan probe: interrupted\n"
