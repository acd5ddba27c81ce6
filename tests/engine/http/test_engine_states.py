"""An engine that is loading, has no time, or dies."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from midspan_engine.engine import Engine
from midspan_engine.http import run
from midspan_engine.http.app import create_app
from midspan_engine.http.guard import Access
from midspan_engine.http.run import Loaded, ServeConfig, create_service
from midspan_engine.http.service import Limits
from midspan_engine.service.process import EngineConfig
from midspan_engine.service.worker import EngineWorker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.engine.http.conftest import StartServer

    from midspan_engine.runtime.openvino_runtime import OpenVinoRuntime
    from midspan_engine.tokenizer import Tokenizer

    Progress = Callable[[float, str], None]

BODY = {"prompt": "x = 1\n" * 20, "max_tokens": 200}


async def test_while_it_loads_requests_are_told_when_to_come_back() -> None:
    release = threading.Event()

    def load(progress: Progress) -> Engine:
        progress(0.25, "opening the model")
        assert release.wait(10)
        raise OSError("gone")

    loaded = Loaded(load)
    worker = EngineWorker(loaded, lambda _status: None, "m")
    service = create_service(worker, loaded, limits=Limits(), model="m", effort="verified")
    transport = httpx.ASGITransport(create_app(service, Access()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as web:
        worker.start()
        while worker.status.progress == 0:  # noqa: ASYNC110  another thread
            await asyncio.sleep(0.01)
        health = await web.get("/health")
        assert (health.status_code, health.json()["progress"]) == (503, 0.25)
        for path in ("/v1/completions", "/v1/chat/completions", "/v1/edit/completions"):
            messages = [{"role": "user", "content": "<|code_to_edit|>\nx\n<|/code_to_edit|>"}]
            refused = await web.post(path, json={**BODY, "messages": messages})
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
        release.set()
        assert worker.stop(10)
        assert (await web.get("/health")).json()["status"] == "failed"
        refused = await web.post("/v1/completions", json=BODY)
        assert refused.status_code == 503
        assert "gone" in refused.json()["error"]["message"]


def test_when_time_is_up_the_best_so_far_is_the_answer(start_server: StartServer) -> None:
    server = start_server(Limits(patience_s=0.05))
    answer = httpx.post(f"{server.url}/v1/completions", json={**BODY, "max_tokens": 512}).json()
    assert answer["choices"][0]["midspan"]["finish"] == "budget"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert 0 < answer["usage"]["completion_tokens"] < 512


class Dying(Engine):
    """Its network fails in the third pass of a request."""

    passes = 0

    def step(self) -> bool:
        self.passes += bool(self.waiting)
        if self.passes > 2:
            raise MemoryError("out of memory")
        return super().step()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_when_the_engine_dies_all_who_wait_hear_of_it_and_the_server_ends(
    tiny_runtime: OpenVinoRuntime,
    tiny_tokenizer: Tokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        run, "load_engine", lambda _config, _progress: Dying(tiny_runtime, tiny_tokenizer)
    )
    config = ServeConfig(engine=EngineConfig(model="m", socket=tmp_path / "s"))
    listening = run.listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    serving = asyncio.ensure_future(run._serve(config, listening, None))
    transport = httpx.AsyncHTTPTransport(retries=3)
    async with httpx.AsyncClient(base_url=url, transport=transport, timeout=30) as web:
        while (await web.get("/health")).status_code != 200:  # noqa: ASYNC110  another thread
            await asyncio.sleep(0.01)
        whole, streamed = await asyncio.gather(
            web.post("/v1/completions", json=BODY),
            web.post("/v1/completions", json={**BODY, "stream": True}),
        )
    assert whole.status_code == 503
    assert "out of memory" in whole.json()["error"]["message"]
    last = streamed.text.strip().split("\n\n")[-1].removeprefix("data: ")
    assert "out of memory" in json.loads(last)["error"]["message"]
    assert await asyncio.wait_for(serving, 30) == 1
