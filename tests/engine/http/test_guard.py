"""Who may ask, how much, and how often."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from midspan_engine.http.guard import Access, KeyFileUnusable, is_loopback, read_keys
from midspan_engine.http.run import NotAllowed, ServeConfig, serve
from midspan_engine.http.service import Limits
from midspan_engine.service.process import EngineConfig

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.http.conftest import StartServer, TinyServer

KEY = "k" * 15 + "1"
BODY = {"prompt": "x = ", "max_tokens": 2}


@pytest.fixture(scope="module")
def strict(start_server: StartServer) -> TinyServer:
    """A server with a key and narrow limits."""
    limits = Limits(body_bytes=1000, requests=2, patience_s=5.0, tokens=200)
    return start_server(limits, Access((KEY, "another key, not used")))


def post(
    server: TinyServer,
    *,
    key: str | None = KEY,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> httpx.Response:
    own = {"Authorization": f"Bearer {key}"} if key else {}
    options = options if "content" in options else {"json": BODY, **options}
    url = f"{server.url}/v1/completions"
    return httpx.post(url, headers={**own, **(headers or {})}, **options)


def test_a_key_is_asked_for_and_the_right_one_passes(strict: TinyServer) -> None:
    for wrong in (None, "", "k" * 15 + "2", KEY + "x", KEY[:-1]):
        refused = post(strict, key=wrong)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert refused.headers["www-authenticate"] == "Bearer"
    assert post(strict).status_code == 200
    assert post(strict, key=None, headers={"X-Api-Key": KEY}).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/v1/models", "/infill", "/v1/chat/completions"])
def test_every_route_but_the_page_and_health_needs_the_key(strict: TinyServer, path: str) -> None:
    assert httpx.get(strict.url + path).status_code == 401
    assert httpx.get(f"{strict.url}/health").status_code == 200
    assert httpx.get(strict.url).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[2001:db8::1]"])
def test_another_machines_name_is_refused_on_loopback(strict: TinyServer, host: str) -> None:
    assert post(strict, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:5"])
def test_this_machines_names_are_served(strict: TinyServer, host: str) -> None:
    assert post(strict, headers={"Host": host}).status_code == 200


def test_a_body_that_is_not_sent_as_json_is_refused(strict: TinyServer) -> None:
    """A page of any site may send text/plain without asking first."""
    refused = post(strict, content=json.dumps(BODY), headers={"Content-Type": "text/plain"})
    assert refused.status_code == 415


def test_no_other_site_is_let_in(strict: TinyServer) -> None:
    asked = httpx.options(
        f"{strict.url}/v1/completions",
        headers={
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": "POST",
            "Authorization": f"Bearer {KEY}",
        },
    )
    assert asked.status_code == 405
    assert not any(name.startswith("access-control") for name in asked.headers)


def test_a_large_body_is_refused(strict: TinyServer) -> None:
    refused = post(strict, json={"prompt": "x" * 2000})
    assert refused.status_code == 413
    assert "1000" in refused.json()["error"]["message"]


def test_more_tokens_than_the_limit_are_cut_to_it(strict: TinyServer) -> None:
    answer = post(strict, json={"prompt": "x = ", "max_tokens": 100_000}).json()
    assert answer["usage"]["completion_tokens"] <= 200


def _wait(gate: threading.Event) -> None:
    gate.wait(60)


def test_more_requests_at_a_time_than_allowed_get_429_and_when_to_come_back(
    strict: TinyServer,
) -> None:
    answers: list[httpx.Response] = []
    gate = threading.Event()
    strict.engine.on_pass = lambda *_: _wait(gate)
    threads = [
        threading.Thread(target=lambda: answers.append(post(strict, timeout=60))) for _ in range(2)
    ]
    try:
        for thread in threads:
            thread.start()
        strict.wait_until(lambda: strict.service.bridge.open_requests == 2)
        refused = post(strict)
    finally:
        gate.set()
        for thread in threads:
            thread.join()
        strict.engine.on_pass = strict.service.metrics.one_pass
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert [answer.status_code for answer in answers] == [200, 200]
    strict.wait_until(strict.is_idle)
    assert post(strict).status_code == 200


def test_nothing_of_a_prompt_is_logged(
    strict: TinyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    post(strict, json={"prompt": "sesame_opens = ", "max_tokens": 2})
    post(strict, json={"prompt": ["sesame_opens"] * 99})
    post(strict, content=b'{"prompt": sesame_opens}', headers={"Content-Type": "application/json"})
    assert "/v1/completions" in caplog.text
    assert "sesame" not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        ("# none\n\n", 0o600, "no key"),
        ("short\n", 0o600, "16 characters"),
        (f"{KEY}\n", 0o644, "chmod 600"),
    ],
)
def test_a_key_file_that_protects_nothing_is_refused(
    tmp_path: Path, text: str, mode: int, complaint: str
) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(KeyFileUnusable, match=complaint):
        read_keys(path)


def test_keys_are_read_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# mine\n{KEY}\n\n  {KEY}b  \n   # the keys of last month\n")
    path.chmod(0o600)
    assert read_keys(path) == (KEY, KEY + "b")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.5", "example.org"])  # noqa: S104
def test_other_machines_are_not_served_without_a_key(tmp_path: Path, host: str) -> None:
    config = ServeConfig(engine=EngineConfig(model="m", socket=tmp_path / "s"), host=host)
    with pytest.raises(NotAllowed, match="api-key-file"):
        serve(config)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_is_known(host: str) -> None:
    assert is_loopback(host)
