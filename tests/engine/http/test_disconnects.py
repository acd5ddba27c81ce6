"""A client that hangs up frees its place in the engine between two passes."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.http.conftest import TinyServer

LONG = {"prompt": "x = 1\n" * 50, "max_tokens": 512}


@pytest.fixture(autouse=True)
def slow_passes(server: TinyServer) -> Iterator[None]:
    """The tiny network would have answered before anybody can hang up."""
    server.engine.on_pass = lambda *_: time.sleep(0.01)
    yield
    server.engine.on_pass = server.service.metrics.one_pass


def send(server: TinyServer, path: str, body: dict[str, object]) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    connection.sendall(head.encode() + data)
    return connection


def reset(connection: socket.socket) -> None:
    """Hang up with a reset rather than an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/fim/completions", "/infill"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("hang_up", [socket.socket.close, reset])
def test_hanging_up_ends_the_request_in_the_engine(
    server: TinyServer, path: str, *, stream: bool, hang_up: object
) -> None:
    ended = 0.0
    for _ in range(3):
        connection = send(server, path, {**LONG, "input_prefix": "x = 1\n" * 50, "stream": stream})
        server.wait_until(lambda: server.engine.waiting == 1)
        hang_up(connection)  # type: ignore[operator]
        server.wait_until(server.is_idle)
    ended = (
        server.service.metrics.registry.get_sample_value(
            "midspan_disconnects_total", {"route": path}
        )
        or 0.0
    )
    assert ended >= 3


def test_hanging_up_in_the_middle_of_a_stream_ends_it(server: TinyServer) -> None:
    connection = send(server, "/v1/completions", {**LONG, "stream": True})
    received = b""
    while b"data: " not in received:
        received += connection.recv(4096)
    assert server.engine.waiting == 1
    connection.close()
    server.wait_until(server.is_idle)


def test_a_body_that_never_comes_whole_takes_no_place(server: TinyServer) -> None:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{"
    )
    connection.close()
    server.wait_until(server.is_idle)


def test_many_hang_ups_among_answers_leave_nothing_behind(server: TinyServer) -> None:
    for round_ in range(8):
        connections = [
            send(server, "/v1/completions", {"prompt": f"a{n} = ", "max_tokens": 40})
            for n in range(12)
        ]
        for connection in connections[round_ % 3 :: 3]:
            connection.close()
        for connection in connections:
            if connection.fileno() >= 0:
                assert connection.recv(4096).startswith(b"HTTP/1.1 200")
                connection.close()
        server.wait_until(server.is_idle)
