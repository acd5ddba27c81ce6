from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from midspan_server.status import STATUS_METHOD, Status, StatusReporter

if TYPE_CHECKING:
    import pytest


class Wire:
    """What a server sends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, bars: bool) -> None:
        self.sent: list[tuple[str, Any]] = []
        server = LanguageServer("test", "1")
        window = types.WindowClientCapabilities(work_done_progress=bars)
        server.protocol.client_capabilities = types.ClientCapabilities(window=window)

        async def create(_token: object) -> None:
            await asyncio.sleep(0)

        monkeypatch.setattr(server.protocol, "notify", lambda *message: self.sent.append(message))
        monkeypatch.setattr(server.protocol.progress, "create_async", create)
        self.reporter = StatusReporter(server)
        self.reporter.notify_client(wanted=True)

    def states(self) -> list[str]:
        return [cast("str", body["state"]) for name, body in self.sent if name == STATUS_METHOD]

    def bars(self) -> list[str]:
        return [body.value.kind for name, body in self.sent if name == types.PROGRESS]


def test_each_status_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, bars=False)
    for _ in range(2):
        wire.reporter.engine_is(Status(state="ready", model="m"))
        wire.reporter.on_here()
    wire.reporter.off_here("in a comment")
    wire.reporter.off_here("in a comment")
    wire.reporter.on_here()
    assert wire.states() == ["ready", "off", "ready"]


def test_a_client_that_did_not_ask_gets_no_notification_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = Wire(monkeypatch, bars=False)
    wire.reporter.notify_client(wanted=False)
    wire.reporter.engine_is(Status(state="ready"))
    assert wire.states() == []
    wire.reporter.notify_client(wanted=True)
    assert wire.states() == ["ready"]


async def test_a_bar_shows_that_the_engine_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, bars=True)
    wire.reporter.engine_is(Status(state="starting"))
    await asyncio.sleep(0.01)
    wire.reporter.engine_is(Status(state="loading", progress=0.5))
    wire.reporter.engine_is(Status(state="ready"))
    await asyncio.sleep(0.01)
    assert wire.bars() == ["begin", "report", "end"]


async def test_a_bar_ends_even_if_the_engine_was_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, bars=True)
    wire.reporter.engine_is(Status(state="loading"))
    wire.reporter.engine_is(Status(state="ready"))
    await asyncio.sleep(0.01)
    assert wire.bars() == ["begin", "end"]


async def test_a_client_without_bars_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, bars=False)
    wire.reporter.engine_is(Status(state="loading"))
    wire.reporter.engine_is(Status(state="failed", message="no weights"))
    await asyncio.sleep(0.01)
    assert wire.bars() == []
    assert wire.states() == ["loading", "failed"]
