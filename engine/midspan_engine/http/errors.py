"""Refusals in OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from midspan_engine.http.answers import ErrorAnswer, ErrorDetail

if TYPE_CHECKING:
    from midspan_engine.protocol import RejectionCode

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_STATUS: dict[RejectionCode, int] = {
    "queue_full": 429,
    "too_large": 413,
    "bad_request": 400,
    "unauthorized": 403,
    "not_ready": 503,
    "failed": 500,
}
RETRY_AFTER_S = 1
_LOADING_S = 2


class ApiError(Exception):
    """A request is refused or failed.

    Args:
        status: Of HTTP.
        message: What is wrong and, where that is possible, what to do.
        param: The field that is wrong.
        code: For programs.
        headers: To send along.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.headers = headers or {}

    @classmethod
    def rejected(cls, code: RejectionCode, message: str) -> ApiError:
        """What the engine refused."""
        status = _STATUS[code]
        waits = {429: RETRY_AFTER_S, 503: _LOADING_S}
        headers = {"Retry-After": str(waits[status])} if status in waits else {}
        return cls(status, message, code=code, headers=headers)

    def body(self) -> bytes:
        """JSON of an `ErrorAnswer`."""
        default = "server_error" if self.status >= 500 else "invalid_request_error"  # noqa: PLR2004
        detail = ErrorDetail(
            message=str(self),
            type=_TYPES.get(self.status, default),
            param=self.param,
            code=self.code,
        )
        return msgspec.json.encode(ErrorAnswer(error=detail))

    def response(self) -> Response:
        """As an answer."""
        return Response(
            self.body(), self.status, headers=self.headers, media_type="application/json"
        )
