"""Schemathesis against our own OpenAPI document: what is said there holds for what it makes up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis
import pytest

from midspan_engine.http.app import _routes
from midspan_engine.http.openapi import OPERATIONS, document
from midspan_engine.http.service import Limits

if TYPE_CHECKING:
    from tests.engine.http.conftest import StartServer, TinyServer

    from midspan_engine.http.openapi import Operation

schemathesis = pytest.importorskip("schemathesis")
_EXAMPLES = 15
_SETTINGS = hypothesis.settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(scope="module")
def small(start_server: StartServer) -> TinyServer:
    return start_server(Limits(tokens=6, body_bytes=4 * 1024 * 1024))


@pytest.fixture(scope="module")
def described(small: TinyServer) -> Any:
    return schemathesis.openapi.from_url(f"{small.url}/openapi.json")


@pytest.mark.parametrize(
    ("operation", "valid"),
    [
        *((operation, True) for operation in OPERATIONS),
        *((operation, False) for operation in OPERATIONS if operation.body),
    ],
    ids=lambda value: getattr(value, "path", "valid" if value else "invalid"),
)
def test_every_answer_is_as_the_document_says(
    operation: Operation, described: Any, small: TinyServer, *, valid: bool
) -> None:
    modes = schemathesis.GenerationMode
    found = described[operation.path]["POST" if operation.body else "GET"]
    checks = schemathesis.specs.openapi.checks

    @_SETTINGS
    @hypothesis.given(
        case=found.as_strategy(generation_mode=modes.POSITIVE if valid else modes.NEGATIVE)
    )
    def holds(case: Any) -> None:
        case.call_and_validate(
            checks=[
                schemathesis.checks.not_a_server_error,
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
                *([] if valid else [checks.negative_data_rejection]),
            ]
        )

    holds()
    assert small.is_idle()


def test_every_route_is_in_the_document_and_every_field_in_its_components(
    small: TinyServer,
) -> None:
    made = {route.path.replace(":path", "") for route in _routes(small.service)}
    pages = {"/", "/docs", "/openapi.json"}
    assert made == {operation.path for operation in OPERATIONS} | pages
    served = httpx.get(f"{small.url}/openapi.json").json()
    assert served == json.loads(json.dumps(document()))
    schemas = served["components"]["schemas"]
    for operation in OPERATIONS:
        for kind in filter(None, (operation.body, operation.answer)):
            assert set(schemas[kind.__name__]["properties"]) == set(kind.__struct_fields__)
