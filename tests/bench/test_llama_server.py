"""The peer is asked over real HTTP; a program that speaks its protocol stands in for it here."""

from __future__ import annotations

import stat
import sys
import textwrap
from typing import TYPE_CHECKING

from llama_server import LlamaServer

from midspan_engine.protocol import InfillRequest

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_PROGRAM = """\
    #!{python}
    import http.server, json, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        def reply(self, content):
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.reply({{"status": "ok"}})

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = asked["input_prefix"].upper() + "\\n" + asked["input_suffix"]
            timings = {{"predicted_n": asked["n_predict"], "predicted_ms": 1.5}}
            self.reply({{"content": text, "timings": timings}})

        def log_message(self, *_):
            pass

    port = int(sys.argv[sys.argv.index("--port") + 1])
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def test_the_answer_ends_where_midspans_rule_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "llama-server"
    program.write_text(textwrap.dedent(_PROGRAM).format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    model = tmp_path / "model.gguf"
    model.touch()
    server = LlamaServer.start(model)
    assert server is not None
    try:
        request = InfillRequest(id=1, session="s", prefix="x =", suffix="y", max_tokens=7)
        answer = server.infill(request)
    finally:
        server.stop()
    assert (answer.text, answer.tokens, answer.decode_ms) == ("X =", 7, 1.5)


def test_without_the_program_it_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert LlamaServer.start(tmp_path / "model.gguf") is None
    assert "left out" in capsys.readouterr().err
