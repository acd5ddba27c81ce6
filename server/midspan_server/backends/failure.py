"""`BackendFailure`: what a server did wrong, in words that hold no key and no source text."""

from __future__ import annotations

from typing import Any

import msgspec

from midspan_engine.protocol import MidspanError

_LONGEST_QUOTE = 200
_REPEATED = 12
_TOO_MANY, _NOT_IMPLEMENTED = 429, 501


class BackendFailure(MidspanError):  # noqa: N818  named for what happened
    """The server gave no completion.

    Attributes:
        retry: Whether the same request may do better in a moment.
        lasting: Whether only the user can mend it, so that others need not be tried.
        retry_after_s: When the server wants to be asked again, if it said so.
        gist: The message without what the server says, which may be another each time.
    """

    def __init__(
        self,
        gist: str,
        *,
        detail: str = "",
        retry: bool = False,
        lasting: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(gist + detail)
        self.gist = gist
        self.retry = retry
        self.lasting = lasting
        self.retry_after_s = retry_after_s


def refusal(
    host: str, status: int, body: bytes, *, hidden: tuple[str, ...], retry_after: str = ""
) -> BackendFailure:
    """Return the failure that an HTTP status means.

    Args:
        host: Named in the message.
        status: Anything but 200.
        body: What came with it, perhaps cut.
        hidden: Key and texts that the message must not repeat.
        retry_after: The header, "" where there is none.
    """
    if status in {401, 403}:
        # Servers repeat parts of the key here.
        return BackendFailure(
            f"{host} refused the API key, or wants one ({status}); "
            "see midspan.backend.apiKeyEnv and apiKeyFile",
            lasting=True,
        )
    said = quoted(error_text(body), hidden)
    if 300 <= status < 400:  # noqa: PLR2004  the redirects
        return BackendFailure(
            f"{host} sends us elsewhere ({status}); put the final address into midspan.backend.url",
            lasting=True,
        )
    if status in {402, 404, 405}:
        meanings = {402: "wants to be paid", 404: "has no such path or model"}
        meaning = meanings.get(status, "does not take completions there")
        return BackendFailure(f"{host} {meaning} ({status})", detail=said, lasting=True)
    if status == _TOO_MANY or (status >= 500 and status != _NOT_IMPLEMENTED):  # noqa: PLR2004
        meaning = "has too many requests" if status == _TOO_MANY else "failed"
        return BackendFailure(
            f"{host} {meaning} ({status})",
            detail=said,
            retry=True,
            retry_after_s=_seconds(retry_after),
        )
    hint = "; midspan.backend.template makes prompts without one" if "suffix" in said else ""
    return BackendFailure(f"{host} did not accept the request ({status})", detail=said + hint)


def error_text(body: bytes) -> str:
    """Return the sentence in an error's body, "" where there is none to be found."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    for _ in range(3):
        if not isinstance(found, dict):
            break
        found = next((found[key] for key in ("error", "message", "detail") if key in found), "")
    return found if isinstance(found, str) else ""


def quoted(text: str, hidden: tuple[str, ...]) -> str:
    """Return `: text` in one short line; "" if a part of it repeats what is hidden."""
    line = " ".join(text.split())
    if not line or len(line) > _LONGEST_QUOTE or not line.isprintable():
        return ""
    secrets = [plain for secret in hidden if (plain := " ".join(secret.split()))]
    parts = {line[at : at + _REPEATED] for at in range(max(1, len(line) - _REPEATED + 1))}
    repeats = any(part in secret for secret in secrets for part in parts)
    whole = any(len(secret) > 1 and secret in line for secret in secrets)
    return "" if repeats or whole else f": {line}"


def _seconds(retry_after: str) -> float | None:
    """Seconds only; a date needs clocks that agree."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
