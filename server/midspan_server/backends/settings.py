"""`BackendSettings`: whose model completes, and what may be wrong with the choice."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from midspan_server.backends.templates import is_template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

Kind = Literal["midspan", "openai", "mercury", "codestral", "llamacpp", "ollama"]

DEFAULT_URLS: dict[Kind, str] = {
    "mercury": "https://api.inceptionlabs.ai",
    "codestral": "https://codestral.mistral.ai",
}
_WITH_TEMPLATES: tuple[Kind, ...] = ("openai", "ollama")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Settings are synchronised and shared; and what we set ourselves must not be set twice.
_NOT_HEADERS = {
    "authorization", "proxy-authorization", "cookie", "x-api-key", "api-key",
    "content-type", "content-length", "transfer-encoding", "host", "accept-encoding",
    "user-agent", "connection", "upgrade", "expect", "te",
}  # fmt: skip


class BackendSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who completes.

    Attributes:
        kind: `midspan` is the local engine; the others name what a server speaks.
        url: Base address of the server, with or without the path that `kind` has.
        model: Name of the model, as the server knows it; "" for the server's or kind's own.
        template: For `openai` and `ollama` servers that take raw prompts: name of a template, or
            one of the user's own with `{prefix}` and `{suffix}`; "" sends the suffix as a field.
        api_key_env: Environment variable that holds the API key.
        api_key_file: File that holds it and that nobody else can read.
        headers: More headers for each request; never for keys.
        timeout_ms: For a whole answer, attempts included.
        send_snippets: Whether pieces of other files and recent edits are sent; None says yes for a
            server on this machine and no for all others.
        fallback: Whether the local engine answers while the server does not.
    """

    kind: Kind = "midspan"
    url: str = ""
    model: str = ""
    template: str = ""
    api_key_env: str = ""
    api_key_file: str = ""
    headers: dict[str, str] = {}
    timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)] = 3000
    send_snippets: bool | None = None
    fallback: bool = True

    @property
    def address(self) -> str:
        """The base address, the kind's own where none was chosen."""
        return self.url or DEFAULT_URLS.get(self.kind, "")

    @property
    def host(self) -> str:
        """Host and port, for people."""
        return urlsplit(self.address).netloc.rpartition("@")[2]

    @property
    def is_loopback(self) -> bool:
        """Whether the address is on this machine."""
        host = urlsplit(self.address).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def sends_snippets(self) -> bool:
        """Whether pieces of other files go to the server."""
        return self.is_loopback if self.send_snippets is None else self.send_snippets


def problem_of(chosen: BackendSettings) -> tuple[str, str] | None:
    """Return the key that makes the whole unusable and what is wrong with it; None if all is well.

    The sentence never quotes an address or a header, which may hold a key.
    """
    return None if chosen.kind == "midspan" else next(_problems(chosen), None)


def _problems(chosen: BackendSettings) -> Iterator[tuple[str, str]]:
    if wrong := _url_problem(chosen):
        yield "url", wrong
    if chosen.kind == "ollama" and not chosen.model:
        yield "model", "ollama needs the name of a model"
    if chosen.template and chosen.kind not in _WITH_TEMPLATES:
        yield "template", f"{chosen.kind} makes its prompts itself"
    if chosen.template and not is_template(chosen.template):
        yield "template", "expected a template's name, or a text with {prefix} and {suffix}"
    if chosen.api_key_env and not _VARIABLE.fullmatch(chosen.api_key_env):
        yield "apiKeyEnv", "expected the name of an environment variable, not a key"
    if wrong := _header_problem(chosen.headers):
        yield "headers", wrong


def _url_problem(chosen: BackendSettings) -> str | None:
    if not chosen.address:
        return f"{chosen.kind} needs the address of the server"
    try:
        parts = urlsplit(chosen.address)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not chosen.address.isprintable() or " " in chosen.address:
        return "expected an address that begins with http:// or https://"
    return _extras_problem(parts)


def _extras_problem(parts: SplitResult) -> str | None:
    if "@" in parts.netloc:
        return "an address must not hold a name or a password; use apiKeyEnv or apiKeyFile"
    return "an address has no fragment (#)" if parts.fragment else None


def _header_problem(headers: dict[str, str]) -> str | None:
    for name, value in headers.items():
        if name.lower() in _NOT_HEADERS:
            return f"{name.lower()} cannot be set here; keys belong to apiKeyEnv or apiKeyFile"
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            return "a header has characters that HTTP does not allow"
    return None
