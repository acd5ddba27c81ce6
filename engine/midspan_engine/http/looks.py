"""What can be looked at: models, health, metrics, the document, and the two pages."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

import msgspec
from starlette.responses import Response

from midspan_engine.http.answers import Health, Model, Models
from midspan_engine.http.errors import ApiError
from midspan_engine.http.openapi import document

if TYPE_CHECKING:
    from starlette.requests import Request

    from midspan_engine.http.service import Service

_STATES: dict[str, Literal["ok", "loading", "failed", "stopping"]] = {
    "ready": "ok",
    "loading": "loading",
    "failed": "failed",
    "stopping": "stopping",
}
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


class Looks:
    """The routes."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def models(self, _request: Request) -> Response:
        """`GET /v1/models`."""
        return _json(Models(data=(self._model(),)))

    async def model(self, request: Request) -> Response:
        """`GET /v1/models/{model}`."""
        if request.path_params["model"] != self._service.model:
            raise ApiError(404, "there is no such model; see /v1/models", code="model_not_found")
        return _json(self._model())

    async def health(self, _request: Request) -> Response:
        """`GET /health`."""
        status = self._service.bridge.worker.status
        engine = self._service.engine()
        health = Health(
            status=_STATES[status.state],
            message=status.message,
            progress=status.progress,
            model=self._service.model,
            runtime=status.runtime,
            adapter=engine is not None and engine.has_adapter,
            waiting=self._service.bridge.open_requests,
        )
        return _json(health, 200 if status.state == "ready" else 503)

    async def metrics(self, _request: Request) -> Response:
        """`GET /metrics`."""
        text = self._service.metrics.text()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _request: Request) -> Response:
        """`GET /openapi.json`."""
        return Response(_document(), media_type="application/json")

    async def page(self, _request: Request) -> Response:
        """`GET /`: type code and watch the canvas."""
        return _page("page.html")

    async def docs(self, _request: Request) -> Response:
        """`GET /docs`: the document, for people."""
        return _page("docs.html")

    def _model(self) -> Model:
        return Model(id=self._service.model, created=self._service.created)


def _json(answer: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


@cache
def _document() -> bytes:
    return msgspec.json.encode(document())


def _page(name: str) -> Response:
    text, policy = _read_page(name)
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-cache",
    }
    return Response(text, media_type="text/html", headers=headers)


@cache
def _read_page(name: str) -> tuple[str, str]:
    """A page and a policy under which nothing but its own script and style runs."""
    text = resources.files("midspan_engine.http").joinpath(name).read_text(encoding="utf-8")
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for match in _INLINE.finditer(text):
        digest = base64.b64encode(hashlib.sha256(match[2].encode()).digest()).decode()
        hashes[match[1]].append(f"'sha256-{digest}'")
    return text, (
        f"default-src 'none'; script-src {' '.join(hashes['script'])}; "
        f"style-src {' '.join(hashes['style'])}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
