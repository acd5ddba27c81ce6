"""Errors that Midspan raises on purpose; the tree stands in the package's own text."""

from __future__ import annotations

from typing import Literal

RejectionCode = Literal[
    "queue_full", "too_large", "bad_request", "unauthorized", "not_ready", "failed"
]
"""`not_ready` passes by itself, `failed` does not."""


class MidspanError(Exception):
    """Base of all errors that Midspan raises on purpose."""


class EngineUnavailable(MidspanError):  # noqa: N818  the field's own word
    """The engine is not running, cannot be reached, or went away while we waited."""


class ProtocolMismatch(MidspanError):  # noqa: N818
    """The other end speaks another version of the protocol, or not this protocol."""


class RequestRejected(MidspanError):  # noqa: N818
    """The engine understood the request and refused it; `code` says why."""

    def __init__(self, code: RejectionCode, message: str) -> None:
        super().__init__(message)
        self.code: RejectionCode = code
