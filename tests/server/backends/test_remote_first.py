from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from midspan_engine.protocol import Choice, EngineUnavailable, Infill, InfillRequest
from midspan_server.backends.breaker import CircuitBreaker
from midspan_server.backends.remote_first import RemoteFirst, new_backend
from midspan_server.backends.settings import BackendSettings
from midspan_server.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.backends.scripted_server import ScriptedServer

    from midspan_server.backends.http_backend import HttpBackend
    from midspan_server.engine_client import EngineClient

    Ask = Callable[..., HttpBackend]


class Local:
    """A local engine that answers at once and says that it was started."""

    def __init__(self, on_status: Callable[[Status], None]) -> None:
        self.on_status = on_status
        self.asked = 0
        self.is_closed = False
        self.connections = 0

    async def connect(self) -> None:
        self.connections += 1
        self.on_status(Status(state="ready", model="midspan-0.5b"))

    async def infill(self, request: InfillRequest, _on_partial: object = None) -> Infill:
        if not self.connections:
            await self.connect()
        self.asked += 1
        choice = Choice(text="local", finish="line", confidence=0.9, mean_logprob=-0.1)
        return Infill(id=request.id, document_version=0, choices=(choice,))

    def try_again(self) -> None:
        pass

    async def close(self) -> None:
        self.is_closed = True


class Fixture:
    """A backend whose server is scripted."""

    def __init__(self, remote: HttpBackend, *, fallback: bool = True) -> None:
        self.now = 0.0
        self.statuses: list[Status] = []
        self.told: list[str] = []
        self.backend = RemoteFirst(
            remote,
            lambda on_status: cast("EngineClient", Local(on_status)),
            fallback=fallback,
            on_status=self.statuses.append,
            tell=self.told.append,
            breaker=CircuitBreaker(clock=lambda: self.now),
        )
        self.local = cast("Local", self.backend.local)

    async def text(self) -> str:
        request = InfillRequest(id=1, session="s", prefix="x = ")
        answer = await self.backend.infill(request)
        assert answer is not None
        return answer.choices[0].text


async def test_the_local_engine_is_not_even_started_while_the_server_answers(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream("remote")]
    made = Fixture(ask())
    await made.backend.connect()
    assert await made.text() == "remote"
    assert (made.local.connections, made.told) == (0, [])
    assert {(one.state, one.model, one.backend) for one in made.statuses} == {
        ("ready", "m", f"openai at 127.0.0.1:{web.port}")
    }


async def test_each_failure_is_made_good_and_the_third_opens_the_breaker_and_is_told(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(400, "no")]
    made = Fixture(ask())
    assert [await made.text() for _ in range(5)] == ["local"] * 5
    assert len(web.requests) == 3
    [told] = made.told
    assert "(400): no; using the local engine" in told
    assert made.statuses[-1].state == "ready"
    assert made.statuses[-1].model == "midspan-0.5b"
    assert "using the local engine because 127.0.0.1" in made.statuses[-1].message
    assert made.statuses[-1].backend == ""


async def test_after_a_while_a_probe_brings_the_server_back(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(401, "no"), say.error(401, "no"), say.openai_stream("remote")]
    made = Fixture(ask())
    assert await made.text() == "local"
    made.now += 300
    assert [await made.text(), await made.text()] == ["local", "local"]
    assert len(web.requests) == 2
    made.now += 600
    assert [await made.text(), await made.text()] == ["remote", "remote"]
    assert len(made.told) == 1
    assert made.statuses[-1].backend.startswith("openai at")
    assert made.statuses[-1].message == ""


async def test_a_pause_that_the_server_asks_for_is_kept(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(429, "slow down", retry_after="60"), say.openai_stream("remote")]
    made = Fixture(ask())
    assert await made.text() == "local"
    made.now += 59
    assert await made.text() == "local"
    made.now += 1
    assert await made.text() == "remote"


async def test_a_request_by_hand_lets_the_server_try_again(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(401, "no"), say.openai_stream("remote")]
    made = Fixture(ask())
    assert [await made.text(), await made.text()] == ["local", "local"]
    made.backend.try_again()
    assert await made.text() == "remote"


async def test_a_message_that_differs_in_the_servers_words_only_is_told_once(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(404, f"request {number}") for number in range(3)]
    made = Fixture(ask())
    for _ in range(3):
        await made.text()
        made.backend.try_again()
    assert len(web.requests) == 3
    assert len(made.told) == 1


async def test_a_missing_key_is_told_before_anything_is_sent(
    web: ScriptedServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    made = Fixture(ask(api_key_env="NO_KEY"))
    await made.backend.connect()
    assert "NO_KEY" in made.told[0]
    assert made.local.connections == 1
    assert await made.text() == "local"
    assert web.requests == []


async def test_without_fallback_the_failure_is_the_users(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(401, "no")]
    made = Fixture(ask(), fallback=False)
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="refused the API key"):
            await made.text()
    assert len(web.requests) == 1
    assert made.statuses[-1].state == "failed"
    assert made.local.asked == made.local.connections == 0


async def test_what_the_local_engine_does_for_others_is_not_the_status_of_the_server(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.openai_stream("remote")]
    made = Fixture(ask())
    await made.text()
    made.local.on_status(Status(state="loading", message="reading weights", progress=0.5))
    assert [one.state for one in made.statuses] == ["ready"]


async def test_while_the_local_engine_loads_its_progress_is_shown_with_the_reason(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(401, "no")]
    made = Fixture(ask())
    await made.text()
    made.local.on_status(Status(state="loading", message="reading weights", progress=0.5))
    last = made.statuses[-1]
    assert (last.state, last.progress) == ("loading", 0.5)
    assert last.message.startswith("reading weights (using the local engine because")


async def test_a_cancelled_probe_makes_room_for_another(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.error(401, "no"), say.unfinished("x"), say.openai_stream("y")]
    made = Fixture(ask())
    await made.text()
    made.backend.try_again()
    probe = asyncio.ensure_future(made.text())
    await web.until_asked(2)
    assert await made.text() == "local"
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert await made.text() == "y"


async def test_closing_closes_both(ask: Ask) -> None:
    made = Fixture(ask())
    await made.backend.close()
    assert made.local.is_closed


async def test_a_request_under_way_when_it_closes_is_none(
    web: ScriptedServer, ask: Ask, say: Any
) -> None:
    web.replies = [say.unfinished("x")]
    made = Fixture(ask())
    request = InfillRequest(id=1, session="s", prefix="x = ")
    asked = asyncio.ensure_future(made.backend.infill(request))
    await web.until_asked()
    await asyncio.sleep(0.05)
    await made.backend.close()
    assert await asked is None
    assert made.local.asked == 0
    assert made.told == []


async def test_a_proxy_that_cannot_be_used_leaves_the_local_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://me:hunter2@proxy.example")
    told: list[str] = []
    backend, local = new_backend(
        BackendSettings(kind="mercury"),
        lambda on_status: cast("EngineClient", Local(on_status)),
        lambda _status: None,
        told.append,
    )
    assert backend is local
    assert "proxy" in told[0]
    assert "hunter2" not in told[0]


async def test_plain_http_to_another_machine_is_warned_of() -> None:
    told: list[str] = []
    for url in ("http://gpu.example:8000", "http://127.0.0.1:8000", "https://gpu.example"):
        backend, _ = new_backend(
            BackendSettings(kind="openai", url=url),
            lambda on_status: cast("EngineClient", Local(on_status)),
            lambda _status: None,
            told.append,
        )
        await backend.close()
    assert len(told) == 1
    assert "gpu.example:8000 is asked over plain HTTP" in told[0]


async def test_the_default_is_the_local_engine_itself() -> None:
    backend, local = new_backend(
        BackendSettings(),
        lambda on_status: cast("EngineClient", Local(on_status)),
        lambda _status: None,
        lambda _message: None,
    )
    assert backend is local


def test_the_language_server_starts_without_httpx() -> None:
    code = "import sys, midspan_server.commands.lsp; sys.exit('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0
