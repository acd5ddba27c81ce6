from __future__ import annotations

import argparse

import pytest

from midspan_engine.commands import serve


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_what_is_no_port_is_refused_by_name(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--port={port}"])
    assert f"{port!r} is no port: give 0 to 65535" in capsys.readouterr().err
