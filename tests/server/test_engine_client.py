from __future__ import annotations

import asyncio
import importlib.util
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio

from midspan_engine.protocol import (
    Edited,
    EditRequest,
    EngineStatus,
    EngineUnavailable,
    Failure,
    InfillRequest,
    LikelihoodRequest,
    Passage,
    RequestRejected,
)
from midspan_server import engine_connection
from midspan_server.engine_client import EngineClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.scripted_engine import ScriptedEngine

    from midspan_server.status import Status


class Fixture:
    """A client and the scripted engine it talks to."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        self.statuses: list[Status] = []
        self.client = EngineClient(
            engine.path, launcher=None, on_status=self.statuses.append, start_timeout_s=5
        )


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Fixture]:
    path = Path(__file__).parents[1] / "end_to_end" / "scripted_engine.py"
    spec = importlib.util.spec_from_file_location("scripted_engine_of_client", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with tempfile.TemporaryDirectory(prefix="ms-") as folder:
        engine: ScriptedEngine = module.ScriptedEngine(Path(folder) / "engine.sock")
        await engine.start()
        made = Fixture(engine)
        yield made
        await made.client.close()
        await engine.stop()


def _request(number: int = 1, prefix: str = "x = ") -> InfillRequest:
    return InfillRequest(id=number, session="s", prefix=prefix)


async def test_answers_find_their_requests_in_any_order(pair: Fixture) -> None:
    first = asyncio.ensure_future(pair.client.infill(_request(1)))
    second = asyncio.ensure_future(pair.client.infill(_request(2)))
    await pair.engine.request(1)
    pair.engine.answer(_request(2), "two")
    pair.engine.answer(_request(1), "one")
    answers = [await first, await second]
    assert [answer.choices[0].text for answer in answers if answer] == ["one", "two"]
    assert pair.engine.connections == 1


def _edit(number: int = 1, region: str = "x = 1\n") -> EditRequest:
    return EditRequest(id=number, session="e", region=region)


async def test_edits_and_completions_share_a_connection(pair: Fixture) -> None:
    pair.engine.rewrite = lambda request: request.region.replace("1", "2")
    pair.engine.reply = lambda _: "one"
    edited, filled = await asyncio.gather(
        pair.client.edit(_edit(1)), pair.client.infill(_request(2))
    )
    assert edited is not None
    assert (edited.finish, edited.text) == ("edit", "x = 2\n")
    assert filled is not None
    assert pair.engine.connections == 1


async def test_that_nothing_is_to_change_is_an_answer(pair: Fixture) -> None:
    edited = await pair.client.edit(_edit())
    assert edited is not None
    assert (edited.finish, edited.text) == ("no_edit", "")


async def test_likelihoods_come_back_for_each_passage(pair: Fixture) -> None:
    passages = tuple(Passage(path="a.py", text="x = 1\n" * count) for count in (1, 3))
    request = LikelihoodRequest(id=9, session="e", passages=passages)
    told = await pair.client.likelihoods(request)
    assert told is not None
    assert [len(one) for one in told.losses] == [1, 3]
    assert pair.engine.measured == [request]


async def test_an_edit_that_another_one_overtook_is_none(pair: Fixture) -> None:
    pair.engine.rewrite = lambda _: None
    asked = asyncio.ensure_future(pair.client.edit(_edit()))
    request = await pair.engine.edit_request()
    pair.engine.send(Edited(id=request.id, document_version=0, finish="cancelled"))
    assert await asked is None


async def test_cancelling_an_edit_is_forwarded(pair: Fixture) -> None:
    pair.engine.rewrite = lambda _: None
    asked = asyncio.ensure_future(pair.client.edit(_edit(7, region="a\ud83db")))
    request = await pair.engine.edit_request()
    asked.cancel()
    assert await pair.engine.cancellation() == 7
    assert request.region == "a\N{REPLACEMENT CHARACTER}b"
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_partial_text_is_passed_on(pair: Fixture) -> None:
    partial: list[str] = []
    asked = asyncio.ensure_future(pair.client.infill(_request(), partial.append))
    request = await pair.engine.request()
    pair.engine.commit(request, "on")
    pair.engine.answer(request, "one")
    await asked
    assert partial == ["on"]


async def test_an_answer_without_choices_is_none(pair: Fixture) -> None:
    asked = asyncio.ensure_future(pair.client.infill(_request()))
    pair.engine.answer(await pair.engine.request())
    assert await asked is None


async def test_cancelling_is_forwarded_and_its_late_answer_ignored(pair: Fixture) -> None:
    asked = asyncio.ensure_future(pair.client.infill(_request(1)))
    await pair.engine.request()
    asked.cancel()
    assert await pair.engine.cancellation() == 1
    with pytest.raises(asyncio.CancelledError):
        await asked
    pair.engine.reply = lambda _: "two"
    assert await pair.client.infill(_request(2)) is not None


async def test_a_refusal_is_raised_with_its_code(pair: Fixture) -> None:
    asked = asyncio.ensure_future(pair.client.infill(_request()))
    request = await pair.engine.request()
    pair.engine.refuse(request, Failure(id=1, code="queue_full", message="busy"))
    with pytest.raises(RequestRejected, match="busy") as caught:
        await asked
    assert caught.value.code == "queue_full"


async def test_half_a_surrogate_pair_travels_as_a_replacement(pair: Fixture) -> None:
    pair.engine.reply = lambda _: "one"
    assert await pair.client.infill(_request(prefix="a\ud83db\N{SNAKE}")) is not None
    assert pair.engine.requests[0].prefix == "a\N{REPLACEMENT CHARACTER}b\N{SNAKE}"


async def test_requests_under_way_are_none_when_the_engine_goes(pair: Fixture) -> None:
    asked = asyncio.ensure_future(pair.client.infill(_request()))
    await pair.engine.request()
    await pair.engine.stop()
    assert await asked is None
    assert [status.state for status in pair.statuses] == ["ready", "stopped"]


async def test_the_next_request_connects_again(pair: Fixture) -> None:
    pair.engine.reply = lambda _: "one"
    assert await pair.client.infill(_request(1)) is not None
    await pair.engine.stop()
    await pair.engine.start()
    await asyncio.sleep(0.05)
    assert await pair.client.infill(_request(2)) is not None
    assert pair.engine.connections == 2


async def test_repeated_failures_are_tried_again_after_a_pause_only(pair: Fixture) -> None:
    await pair.engine.stop()
    for _ in range(3):
        with pytest.raises(EngineUnavailable, match="autostart"):
            await pair.client.infill(_request())
    assert [status.state for status in pair.statuses] == ["failed"]
    await pair.engine.start()
    with pytest.raises(EngineUnavailable):
        await pair.client.infill(_request())
    pair.client._retry_at = 0.0
    pair.engine.reply = lambda _: "one"
    assert await pair.client.infill(_request()) is not None


async def test_a_model_that_fails_to_load_is_unavailable(pair: Fixture) -> None:
    pair.engine.status = EngineStatus(state="loading")
    asked = asyncio.ensure_future(pair.client.infill(_request()))
    await pair.engine.connected()
    pair.engine.be(EngineStatus(state="failed", message="no weights: run `midspan pull`"))
    with pytest.raises(EngineUnavailable, match="midspan pull"):
        await asked
    await pair.engine.stop()
    await asyncio.sleep(0.05)
    assert pair.statuses[-1].state == "failed"


async def test_waiting_for_a_model_has_an_end(pair: Fixture) -> None:
    pair.engine.status = EngineStatus(state="loading")
    connection = await pair.client.connect()
    with pytest.raises(EngineUnavailable, match="loading still"):
        await connection.wait_until_ready(0.05)


async def test_another_protocol_is_refused(pair: Fixture) -> None:
    pair.engine.protocol = 999
    with pytest.raises(EngineUnavailable, match="version 999"):
        await pair.client.infill(_request())


async def test_what_is_not_our_protocol_is_refused() -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="ms-") as folder:
        path = Path(folder) / "engine.sock"
        server = await asyncio.start_unix_server(babble, str(path))
        statuses: list[Status] = []
        client = EngineClient(path, launcher=None, on_status=statuses.append)
        with pytest.raises(EngineUnavailable, match="not this version's engine"):
            await client.infill(_request())
        server.close()


async def test_a_farewell_after_a_failure_hides_nothing_and_the_next_start_waits(
    pair: Fixture,
) -> None:
    pair.engine.status = EngineStatus(state="failed", message="run: midspan pull")
    with pytest.raises(EngineUnavailable, match="midspan pull"):
        await pair.client.infill(_request())
    pair.engine.be(EngineStatus(state="stopping"))
    await pair.engine.stop()
    await asyncio.sleep(0.05)
    assert [(one.state, one.message) for one in pair.statuses] == [("failed", "run: midspan pull")]
    await pair.engine.start()
    with pytest.raises(EngineUnavailable, match="midspan pull"):
        await pair.client.infill(_request())
    assert pair.engine.connections == 1
    assert pair.client._retry_at - time.monotonic() > 5


async def test_the_pause_after_failures_to_load_grows_to_a_minute_and_a_user_ends_it(
    pair: Fixture,
) -> None:
    pauses = []
    for _ in range(4):
        await pair.engine.stop()
        pair.engine.status = EngineStatus(state="failed", message="run: midspan pull")
        await pair.engine.start()
        pair.client.try_again()
        with pytest.raises(EngineUnavailable):
            await pair.client.infill(_request())
        await pair.engine.stop()
        await asyncio.sleep(0.05)
        pauses.append(round(pair.client._retry_at - time.monotonic()))
    assert pauses == [10, 20, 40, 60]
    await pair.engine.start()
    pair.engine.status = EngineStatus(state="ready")
    pair.engine.reply = lambda _: "one"
    pair.client.try_again()
    assert await pair.client.infill(_request()) is not None


async def test_an_engine_that_hangs_is_hung_up_on(
    pair: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_connection, "_BEYOND_BUDGET_S", 0.0)
    beside = asyncio.ensure_future(pair.client.infill(_request(1)))
    await pair.engine.request()
    hanging = msgspec.structs.replace(_request(2), budget_ms=50)
    assert await pair.client.infill(hanging) is None
    assert await beside is None
    assert pair.statuses[-1].state == "stopped"
    assert "did not answer" in pair.statuses[-1].message
    pair.engine.reply = lambda _: "one"
    assert await pair.client.infill(_request(3)) is not None
    assert pair.engine.connections == 2


async def test_an_error_while_listening_leaves_nobody_waiting(
    pair: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_connection: object, _message: object) -> None:
        raise RuntimeError("a mistake")

    asked = asyncio.ensure_future(pair.client.infill(_request()))
    request = await pair.engine.request()
    connection = await pair.client.connect()
    monkeypatch.setattr(type(connection), "_dispatch", broken)
    # The connection looks for what handles a message before it waits for one.
    pair.engine.be(EngineStatus(state="ready"))
    pair.engine.answer(request, "one")
    assert await asked is None
    assert pair.statuses[-1].state == "stopped"
    await connection.close()
