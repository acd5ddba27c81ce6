"""A replica without Ray: a real engine over the tiny network, asked as the front asks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from midspan_engine.scale.live_engine import EngineUnhealthy, LiveEngine, Progress
from midspan_engine.scale.replica import Asked, EngineReplica, serve
from midspan_engine.scale.settings import AdapterChoice, ScaleSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

NO_ADAPTER = {"infill": "none"}


def post(path: str, **body: object) -> Asked:
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"host", b"x")],
    }  # fmt: skip
    return Asked(scope=scope, body=json.dumps(body).encode())


@pytest.fixture
def settings(tiny_folder: Path) -> ScaleSettings:
    return ScaleSettings(model=str(tiny_folder), cache_mb=16, cpus=1)


@pytest.fixture
async def replica(settings: ScaleSettings) -> AsyncIterator[EngineReplica]:
    made = EngineReplica(settings)
    await made.reconfigure(NO_ADAPTER)
    yield made
    made.__del__()


async def complete(replica: EngineReplica) -> list[Message]:
    asked = post("/v1/completions", prompt="def count(self):\n    ", max_tokens=4)
    return [message async for messages in replica.answer(asked) for message in messages]


async def test_a_replica_answers_as_the_server_does(replica: EngineReplica) -> None:
    start, body = await complete(replica)
    assert start["status"] == 200
    assert json.loads(body["body"])["choices"][0]["finish_reason"] in {"stop", "length"}
    replica.check_health()


async def test_another_adapter_takes_the_place_of_the_first_and_the_old_engine_ends(
    replica: EngineReplica,
) -> None:
    before = replica._live
    await replica.reconfigure(NO_ADAPTER)
    assert before is not replica._live
    assert before is not None
    assert not before._worker._thread.is_alive()
    assert (await complete(replica))[0]["status"] == 200


async def test_an_answer_that_has_begun_is_finished_by_the_engine_that_began_it(
    replica: EngineReplica,
) -> None:
    asked = post("/v1/completions", prompt="# user-6\ndef f():\n    ", max_tokens=64, stream=True)
    answer = replica.answer(asked)
    began = await anext(answer)
    exchanging = asyncio.create_task(replica.reconfigure(NO_ADAPTER))
    await asyncio.sleep(0.2)
    rest = [message["body"] async for messages in answer for message in messages]
    assert b"[DONE]" in b"".join([began[1]["body"], *rest])
    await exchanging
    assert (await complete(replica))[0]["status"] == 200


async def test_an_adapter_that_cannot_be_loaded_leaves_the_old_engine_in_place(
    replica: EngineReplica, tmp_path: Path
) -> None:
    with pytest.raises(EngineUnhealthy, match="missing"):
        await replica.reconfigure({"infill": str(tmp_path / "missing.safetensors")})
    assert (await complete(replica))[0]["status"] == 200


async def test_a_replica_without_an_engine_is_not_healthy(settings: ScaleSettings) -> None:
    with pytest.raises(EngineUnhealthy, match="not been loaded"):
        EngineReplica(settings).check_health()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_an_engine_whose_thread_has_ended_is_not_healthy(settings: ScaleSettings) -> None:
    live = LiveEngine(settings, AdapterChoice(infill="none"))
    await live.started()
    engine = live._loaded.get()
    assert engine is not None

    def broken() -> bool:
        raise MemoryError("no more")

    engine.step = broken  # type: ignore[method-assign]
    live._worker.cancel("wake up")
    live._worker._thread.join(10)
    with pytest.raises(EngineUnhealthy, match="no more"):
        live.check()


def test_an_engine_is_stuck_only_if_requests_wait_and_nothing_moves() -> None:
    progress = Progress(stuck_after_s=60)
    assert not progress.is_stuck(waiting=0, passes=5, now_s=1000)
    assert not progress.is_stuck(waiting=2, passes=5, now_s=1059)
    assert progress.is_stuck(waiting=2, passes=5, now_s=1061)
    assert not progress.is_stuck(waiting=2, passes=6, now_s=1062)
    assert not progress.is_stuck(waiting=2, passes=6, now_s=1100)
    assert not progress.is_stuck(waiting=0, passes=6, now_s=2000)


async def test_hanging_up_ends_the_application_before_the_generator_is_closed() -> None:
    ended = asyncio.Event()

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    answer = serve(app, post("/"))
    assert [message["type"] for message in await anext(answer)] == [
        "http.response.start",
        "http.response.body",
    ]
    await answer.aclose()
    assert ended.is_set()


async def test_a_defect_of_the_application_is_raised() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ValueError("defect")

    with pytest.raises(ValueError, match="defect"):
        await anext(serve(app, post("/")))
