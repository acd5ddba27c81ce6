from __future__ import annotations

from typing import Any

import pytest

from midspan_server.backends.settings import BackendSettings
from midspan_server.settings import decode_settings

SECRET = "hunter2-hunter2"  # noqa: S105  for looking whether it shows


def test_nothing_leaves_the_machine_unless_it_is_configured() -> None:
    assert decode_settings({}).settings.backend.kind == "midspan"
    assert decode_settings({"backend": {"url": "https://x.example"}}).settings.backend.kind == (
        "midspan"
    )


@pytest.mark.parametrize(
    "backend",
    [
        {"kind": "mercury"},
        {"kind": "codestral", "apiKeyEnv": "CODESTRAL_API_KEY"},
        {"kind": "openai", "url": "http://127.0.0.1:8000/v1", "template": "qwen"},
        {"kind": "openai", "url": "https://h.example", "template": "<{prefix}|{suffix}>"},
        {"kind": "llamacpp", "url": "http://[::1]:8012"},
        {"kind": "ollama", "url": "http://localhost:11434", "model": "qwen2.5-coder:1.5b"},
        {"kind": "openai", "url": "http://gpu:8000", "headers": {"X-Team": "blue"}},
    ],
)
def test_a_whole_choice_is_taken(backend: dict[str, Any]) -> None:
    decoded = decode_settings({"backend": backend})
    assert decoded.problems == ()
    assert decoded.settings.backend.kind == backend["kind"]


@pytest.mark.parametrize(
    ("backend", "key"),
    [
        ({"kind": "opnai"}, "kind"),
        ({"kind": "openai"}, "url"),
        ({"kind": "openai", "url": "gpu:8000"}, "url"),
        ({"kind": "openai", "url": "file:///etc/passwd"}, "url"),
        ({"kind": "openai", "url": "http://h:99999"}, "url"),
        ({"kind": "openai", "url": "http://[::1"}, "url"),
        ({"kind": "openai", "url": f"https://me:{SECRET}@h.example"}, "url"),
        ({"kind": "openai", "url": "http://h\r\nX: y"}, "url"),
        # Without this, source text would go to another server than the one that was meant.
        ({"kind": "mercury", "url": 8000}, "url"),
        ({"kind": "ollama", "url": "http://localhost:11434"}, "model"),
        ({"kind": "mercury", "template": "qwen"}, "template"),
        ({"kind": "openai", "url": "http://h", "template": "qwne"}, "template"),
        ({"kind": "mercury", "apiKeyEnv": f"sk-{SECRET}"}, "apiKeyEnv"),
        ({"kind": "mercury", "headers": {"Authorization": SECRET}}, "headers"),
        ({"kind": "mercury", "headers": {"X": f"{SECRET}\r\nY: z"}}, "headers"),
        ({"kind": "mercury", "headers": {"X": 1}}, "headers.X"),
        ({"kind": "mercury", "timeoutMs": 1}, "timeoutMs"),
        ({"kind": "mercury", "sendSnippets": "no"}, "sendSnippets"),
        ("mercury", ""),
    ],
)
def test_whatever_is_wrong_is_told_and_the_local_engine_completes(
    backend: object, key: str
) -> None:
    decoded = decode_settings({"backend": backend, "maxLineTokens": 9})
    assert decoded.settings.backend == BackendSettings()
    assert decoded.settings.max_line_tokens == 9
    told = "\n".join(map(str, decoded.problems))
    assert f"midspan.backend{'.' if key else ''}{key}:" in told
    assert SECRET not in told
