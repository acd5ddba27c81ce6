"""`DIALECTS`: how each kind of server is asked, and what an infill request becomes there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midspan_server.backends import bodies, events
from midspan_server.backends.bodies import Prompt
from midspan_server.backends.templates import template
from midspan_server.syntax import profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import InfillRequest, Snippet
    from midspan_server.backends.events import Event
    from midspan_server.backends.settings import BackendSettings, Kind

# OpenAI's own limit; answers are cut at all of them here anyway.
_MOST_STOPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One kind of server.

    Attributes:
        path: Of the endpoint.
        model: Used where none was chosen.
        has_extra: Whether other files are a field of their own.
        has_logprobs: Whether it is worth asking for them.
        body: Makes the request's body.
        read: Reads one event; raises `msgspec.DecodeError` for what is no event.
    """

    path: str
    model: str = ""
    has_extra: bool = False
    has_logprobs: bool = False
    body: Callable[[Prompt], dict[str, Any]]
    read: Callable[[bytes], Event]


def stops_of(request: InfillRequest, chosen: BackendSettings) -> tuple[str, ...]:
    """All that ends an answer beside the scope's own rules."""
    raw = template(chosen.template)
    return (*request.stop, *(raw.stops if raw else ()))


def body_of(request: InfillRequest, chosen: BackendSettings, *, logprobs: bool) -> dict[str, Any]:
    """Return the body for `request`; other files are in it only where the settings let them."""
    dialect = DIALECTS[chosen.kind]
    snippets = request.snippets if chosen.sends_snippets else ()
    prefix, suffix = request.prefix, request.suffix
    if not dialect.has_extra:
        prefix = _as_comments(request, snippets) + prefix
    raw = template(chosen.template)
    if raw:
        prefix, suffix = raw.prompt(prefix, suffix), ""
    line = ("\n",) if request.scope == "line" else ()
    prompt = Prompt(
        prefix=prefix,
        suffix=suffix,
        stops=(*line, *stops_of(request, chosen))[:_MOST_STOPS],
        max_tokens=request.max_tokens,
        model=chosen.model or dialect.model,
        extra=tuple({"filename": one.path, "text": one.text} for one in snippets),
        is_raw=raw is not None,
        with_logprobs=logprobs and dialect.has_logprobs,
    )
    return dialect.body(prompt)


def _as_comments(request: InfillRequest, snippets: tuple[Snippet, ...]) -> str:
    """Each file under a comment with its name, as our own engine shows them to its model."""
    language = profile(request.language)
    close = f" {language.comment_end}" if language.comment_end else ""
    return "".join(
        f"{language.comment} {one.path}{close}\n{one.text.rstrip()}\n\n" for one in snippets
    )


DIALECTS: dict[Kind, Dialect] = {
    "openai": Dialect(
        path="/v1/completions", has_logprobs=True, body=bodies.openai_body, read=events.read_openai
    ),
    "mercury": Dialect(
        path="/v1/fim/completions",
        model="mercury-edit-2",
        body=bodies.mercury_body,
        read=events.read_openai,
    ),
    "codestral": Dialect(
        path="/v1/fim/completions",
        model="codestral-latest",
        body=lambda prompt: bodies.mercury_body(prompt) | {"temperature": 0},
        read=events.read_openai,
    ),
    "llamacpp": Dialect(
        path="/infill",
        has_extra=True,
        has_logprobs=True,
        body=bodies.llamacpp_body,
        read=events.read_llamacpp,
    ),
    "ollama": Dialect(
        path="/api/generate", has_logprobs=True, body=bodies.ollama_body, read=events.read_ollama
    ),
}
