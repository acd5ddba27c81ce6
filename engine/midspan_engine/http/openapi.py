"""The OpenAPI document, made from the classes that the routes read and write."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import msgspec

from midspan_engine import __version__
from midspan_engine.http import answers, bodies

_JSON = "application/json"
_EVENTS = "text/event-stream"
_REFUSALS = {
    400: "A field is wrong; `error.param` names it",
    401: "No API key, or a wrong one",
    403: "The Host header names another machine",
    408: "The body took too long to arrive",
    413: "The body or the prompt is too large",
    415: "The body is not sent as application/json",
    429: "Too many requests at a time; see Retry-After",
    500: "A defect of the server",
    503: "The engine is not ready; see Retry-After",
    504: "The answer took too long",
}
_LOOKS = (401, 403, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route."""

    path: str
    summary: str
    answer: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    streams: bool = False
    media: str = _JSON
    refusals: tuple[int, ...] = _LOOKS
    parameters: tuple[str, ...] = ()


_LISTS = ("/v1/models", *(f"/v1/{kind}/completions/models" for kind in ("chat", "fim", "edit")))
_ALL = tuple(_REFUSALS)

OPERATIONS = (
    Operation(
        path="/v1/completions",
        summary="Fill the hole between prompt and suffix (OpenAI)",
        body=bodies.CompletionBody,
        answer=answers.Completion,
        streams=True,
        refusals=_ALL,
    ),
    Operation(
        path="/v1/fim/completions",
        summary="Fill the hole between prompt and suffix (Mercury)",
        body=bodies.FimBody,
        answer=answers.Completion,
        streams=True,
        refusals=_ALL,
    ),
    Operation(
        path="/v1/edit/completions",
        summary="Rewrite a region as it should be after the last edits, or `None` (Mercury)",
        body=bodies.EditBody,
        answer=answers.Edit,
        streams=True,
        refusals=_ALL,
    ),
    Operation(
        path="/v1/chat/completions",
        summary="The assistant's next turn (OpenAI), with `diffusing` (Mercury)",
        body=bodies.ChatBody,
        answer=answers.Chat,
        streams=True,
        refusals=_ALL,
    ),
    Operation(
        path="/infill",
        summary="Fill the hole between prefix and suffix (llama.cpp)",
        body=bodies.LlamaInfillBody,
        answer=answers.LlamaInfill,
        streams=True,
        refusals=_ALL,
    ),
    *(Operation(path=path, summary="The loaded model", answer=answers.Models) for path in _LISTS),
    Operation(
        path="/v1/models/{model}",
        summary="The loaded model, by its name",
        answer=answers.Model,
        refusals=(*_LOOKS, 404),
        parameters=("model",),
    ),
    Operation(
        path="/health",
        summary="Whether the engine is ready",
        answer=answers.Health,
        refusals=(403, 500),
    ),
    Operation(path="/metrics", summary="Counters, in Prometheus's format", media="text/plain"),
)


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    kinds = {kind for op in OPERATIONS for kind in (op.body, op.answer) if kind is not None}
    kinds |= {answers.ErrorAnswer, answers.ChatChunk}
    _, components = msgspec.json.schema_components(
        sorted(kinds, key=lambda kind: kind.__name__), ref_template="#/components/schemas/{name}"
    )
    for schema in components.values():
        schema["description"] = inspect.cleandoc(schema.get("description", ""))
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        method = "post" if operation.body else "get"
        paths[operation.path] = {method: _operation(operation)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Midspan",
            "version": __version__,
            "description": "Fill-in-the-middle, next edits and chat on a diffusion language model.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.path.strip("/").replace("/", "_").replace("{", "").rstrip("}"),
        "responses": {
            "200": {"description": "The answer", "content": _content(operation)},
            **{str(status): _refusal(status) for status in operation.refusals},
        },
    }
    if operation.path == "/health":
        described["responses"]["503"] = {
            "description": "The engine is not ready",
            "content": _content(operation),
        }
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": _reference(operation.body)}},
        }
    if operation.parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in operation.parameters
        ]
    return described


def _content(operation: Operation) -> dict[str, Any]:
    schema = _reference(operation.answer) if operation.answer else {"type": "string"}
    content: dict[str, Any] = {operation.media: {"schema": schema}}
    if operation.streams:
        content[_EVENTS] = {}  # pieces of the same shape, behind `data: `
    return content


def _refusal(status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": _REFUSALS.get(status, "There is nothing here"),
        "content": {_JSON: {"schema": _reference(answers.ErrorAnswer)}},
    }
    if status in {429, 503}:
        described["headers"] = {
            "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}
        }
    return described


def _reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
