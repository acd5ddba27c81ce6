"""The routes, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from midspan_engine.http.chat import Chats
from midspan_engine.http.completions import Completions
from midspan_engine.http.edits import Edits
from midspan_engine.http.errors import ApiError
from midspan_engine.http.guard import Guard
from midspan_engine.http.llama import LlamaInfills
from midspan_engine.http.looks import Looks

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from midspan_engine.http.guard import Access
    from midspan_engine.http.service import Service


def create_app(service: Service, access: Access) -> Starlette:
    """The ASGI application over a service."""
    routes = _routes(service)
    guard = Middleware(
        Guard,
        access=access,
        metrics=service.metrics,
        routes=frozenset(route.path for route in routes),
    )
    return Starlette(
        routes=routes,
        middleware=[guard],
        exception_handlers={HTTPException: _not_found, 500: _defect},
    )


def _routes(service: Service) -> list[Route]:
    completions, looks = Completions(service), Looks(service)
    posts = {
        "/v1/completions": completions.openai,
        "/v1/fim/completions": completions.fim,
        "/v1/edit/completions": Edits(service).mercury,
        "/v1/chat/completions": Chats(service).openai,
        "/infill": LlamaInfills(service).infill,
    }
    gets = {
        "/": looks.page,
        "/docs": looks.docs,
        "/openapi.json": looks.openapi,
        "/v1/models": looks.models,
        "/v1/chat/completions/models": looks.models,
        "/v1/fim/completions/models": looks.models,
        "/v1/edit/completions/models": looks.models,
        "/v1/models/{model:path}": looks.model,
        "/health": looks.health,
        "/metrics": looks.metrics,
    }
    return [
        *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
        *(Route(path, endpoint, methods=["GET"]) for path, endpoint in gets.items()),
    ]


async def _not_found(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return ApiError(error.status_code, error.detail, headers=headers).response()


async def _defect(_request: Request, _error: Exception) -> Response:
    """Whatever it was, its text may hold what was asked, so none of it is sent."""
    return ApiError(500, "the server failed; its log says more").response()
