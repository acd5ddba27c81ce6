"""`midspan serve` as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from midspan_engine.service.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., "Served"]

pytestmark = pytest.mark.slow
PATIENCE_S = 60.0
_MAIN = """
import argparse, sys
from midspan_engine.commands import serve
parser = argparse.ArgumentParser()
serve.add_arguments(parser)
sys.exit(serve.run(parser.parse_args()))
"""


class Served:
    """A server process on a port that it chose."""

    def __init__(self, folder: Path, model: str, *options: str) -> None:
        self.socket = folder / "s" / "e.sock"
        self.log = folder / "log"
        command = [sys.executable, "-c", _MAIN, "--model", model, "--cache-mb", "8", "--port", "0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--socket", str(self.socket), *options],
                stderr=log,
                env={**os.environ, "MIDSPAN_STATE": str(folder / "state")},
            )

    @property
    def url(self) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(r"listening on (http://\S+)", self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found[1]

    def ready(self) -> Served:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                health = httpx.get(f"{self.url}/health")
            except httpx.ConnectError:
                pass
            else:
                assert health.json()["status"] in {"ok", "loading"}
                assert (health.status_code == 200) == (health.json()["status"] == "ok")
                if health.status_code == 200:
                    return self
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


@pytest.fixture
def start(tiny_folder: Path, tmp_path: Path) -> Iterator[Start]:
    started: list[Served] = []

    def make(*options: str, model: str | None = None) -> Served:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Served(folder, model or str(tiny_folder), *options))
        return started[-1]

    yield make
    for served in started:
        served.process.kill()
        served.process.wait()


def test_it_serves_and_leaves_when_told(start: Start) -> None:
    served = start().ready()
    body = {"prompt": "x = ", "max_tokens": 4}
    answer = httpx.post(f"{served.url}/v1/completions", json=body).json()
    assert answer["choices"][0]["finish_reason"] in {"stop", "length"}
    for name in (
        "queue_requests",
        "batch_requests_sum",
        "passes_total",
        "tokens_per_pass_sum",
        "accepted_tokens_total",
        "cached_prompt_tokens_total",
        "decode_seconds_sum",
        "resident_bytes",
    ):
        text = httpx.get(f"{served.url}/metrics").text
        value = re.search(rf"^midspan_{name} (\S+)$", text, re.MULTILINE)
        assert value, name
        if name == "resident_bytes":
            assert float(value[1]) > 10_000_000
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(PATIENCE_S) == 0


def test_a_request_in_flight_is_finished_before_it_leaves(start: Start) -> None:
    served = start().ready()
    body = {"prompt": "x = 1\n" * 40, "max_tokens": 400, "stream": True}
    with httpx.stream("POST", f"{served.url}/v1/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        served.process.send_signal(signal.SIGTERM)
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"]
    assert served.process.wait(PATIENCE_S) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/health")


def test_editors_share_the_engine_where_asked(start: Start) -> None:
    served = start("--editors").ready()
    probed = probe(served.socket)
    assert (probed.welcome.pid, probed.status.state) == (served.process.pid, "ready")
    second = start("--editors", "--socket", str(served.socket)).ready()
    assert "HTTP only" in second.log.read_text()
    assert probe(served.socket).welcome.pid == served.process.pid
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(PATIENCE_S) == 0
    assert not served.socket.exists()


def test_a_model_that_is_not_there_ends_it_with_an_error(start: Start, tmp_path: Path) -> None:
    served = start(model=str(tmp_path / "nothing"))
    assert served.process.wait(PATIENCE_S) == 1
    assert "could not be loaded" in served.log.read_text()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--host", "0.0.0.0"), "--api-key-file"),  # noqa: S104
        (("--api-key-file", "/nowhere"), "cannot be read"),
    ],
)
def test_what_is_unsafe_is_refused_at_once(
    start: Start, options: tuple[str, ...], complaint: str
) -> None:
    served = start(*options)
    assert served.process.wait(PATIENCE_S) == 1
    assert complaint in served.log.read_text()


def test_the_shipped_model_answers_in_every_dialect(start: Start) -> None:
    """The real weights: a line, the next keystroke from the cache, an edit, a turn."""
    served = start("--cache-mb", "64", model="midspan-0.5b").ready()
    prefix = 'def mean(values):\n    """Average of the values."""\n    '
    suffix = "\n\n\nprint(mean([1, 2, 3]))\n"
    with httpx.Client(base_url=served.url, timeout=PATIENCE_S) as web:
        body = {"prompt": prefix, "suffix": suffix, "max_tokens": 32}
        first = web.post("/v1/completions", json=body).json()
        assert first["choices"][0]["text"].startswith("return sum(values)")
        typed = web.post("/v1/fim/completions", json={**body, "prompt": prefix + "r"}).json()
        assert typed["choices"][0]["text"].startswith("eturn sum(values)")
        assert typed["midspan"]["cached_tokens"] > 0.6 * typed["midspan"]["prompt_tokens"]
        llama = {"input_prefix": prefix, "input_suffix": suffix, "n_predict": 32}
        assert web.post("/infill", json=llama).json()["content"] == first["choices"][0]["text"]
        said = web.post(
            "/v1/chat/completions",
            json={
                "messages": [{"role": "user", "content": "Say the word hello and nothing else."}],
                "max_tokens": 16,
            },
        ).json()
        assert "hello" in said["choices"][0]["message"]["content"].lower()
        edit = {
            "messages": [
                {
                    "role": "user",
                    "content": "<|current_file_content|>\ncurrent_file_path: b.py\n"
                    "<|code_to_edit|>\ndef area(width, height):\n    return w<|cursor|> * height\n"
                    "<|/code_to_edit|>\n<|/current_file_content|>\n<|edit_diff_history|>\n"
                    "--- a/b.py\n+++ b/b.py\n@@ -1,2 +1,2 @@\n-def area(w, height):\n"
                    "+def area(width, height):\n     return w * height\n<|/edit_diff_history|>\n",
                }
            ]
        }
        rewritten = web.post("/v1/edit/completions", json=edit).json()
        # Whether there is an edit is the adapter's matter; that it is a whole answer, ours.
        content = rewritten["choices"][0]["message"]["content"]
        assert content == "None" or content.startswith("```\ndef area(")
