"""Midspan's own HTTP server as the backend of an editor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from midspan_engine.protocol import InfillRequest
from midspan_server.backends.http_backend import HttpBackend
from midspan_server.backends.settings import BackendSettings

if TYPE_CHECKING:
    from tests.engine.http.conftest import TinyServer

REQUEST = InfillRequest(
    id=1, session="s", prefix="x = (", suffix=")\n", scope="block", max_tokens=6, language="python"
)


@pytest.mark.parametrize("kind", ["openai", "mercury", "llamacpp"])
async def test_the_editor_side_understands_our_own_server(kind: Any, server: TinyServer) -> None:
    body = {"prompt": "x = (", "suffix": ")\n", "max_tokens": 6}
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        plain = (await client.post("/v1/completions", json=body)).json()
    backend = HttpBackend(BackendSettings(kind=kind, url=server.url, timeout_ms=60_000))
    [choice] = (await backend.infill(REQUEST)).choices
    await backend.close()
    assert choice.text
    assert plain["choices"][0]["text"].startswith(choice.text)
    assert choice.finish in {"length", "eos", "block"}
