"""What a request may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.protocol import InfillRequest, LikelihoodRequest, RequestRejected

if TYPE_CHECKING:
    from midspan_engine.protocol import EditRequest

MOST_TOKENS = 512
MOST_PATH = 4_096
"""Characters of a path."""
MOST_ALTERNATIVES = 8
MOST_PASSAGES = 8
MOST_PATTERNS = 64
MOST_PATTERN = 1_000
"""Characters of one text that is forbidden or required."""


def check(request: InfillRequest | EditRequest | LikelihoodRequest) -> None:
    """Refuse what is out of bounds.

    Raises:
        RequestRejected: `bad_request`, with the field and its bounds.
    """
    limits = [(request.budget_ms is None or request.budget_ms > 0, "budget_ms must be positive")]
    if isinstance(request, LikelihoodRequest):
        limits += _of_likelihoods(request)
    else:
        limits += _of_texts(request)
    for fits, message in limits:
        if not fits:
            raise RequestRejected("bad_request", message)


def _of_likelihoods(request: LikelihoodRequest) -> list[tuple[bool, str]]:
    passages = request.passages
    return [
        (1 <= len(passages) <= MOST_PASSAGES, f"passages must be 1 to {MOST_PASSAGES}"),
        (all(one.text for one in passages), "passages must not be empty"),
        (
            all(len(one.path) <= MOST_PATH for one in passages),
            f"path must have at most {MOST_PATH} characters",
        ),
    ]


def _of_texts(request: InfillRequest | EditRequest) -> list[tuple[bool, str]]:
    limits = [
        (1 <= request.max_tokens <= MOST_TOKENS, f"max_tokens must be 1 to {MOST_TOKENS}"),
        (len(request.path) <= MOST_PATH, f"path must have at most {MOST_PATH} characters"),
    ]
    if isinstance(request, InfillRequest):
        limits += [
            (1 <= request.n <= MOST_ALTERNATIVES, f"n must be 1 to {MOST_ALTERNATIVES}"),
            (request.block_indent >= 0, "block_indent must not be negative"),
            (request.steps is None or request.steps > 0, "steps must be positive"),
            (
                len(request.forbid) + len(request.require) <= MOST_PATTERNS,
                f"forbid and require may name {MOST_PATTERNS} texts together",
            ),
            (
                all(len(text) <= MOST_PATTERN for text in (*request.forbid, *request.require)),
                f"texts of forbid and require must have at most {MOST_PATTERN} characters",
            ),
        ]
    else:
        limits += [
            (bool(request.region), "region must not be empty"),
            (0 <= (request.edit_from or 0) <= 1, "edit_from must be 0 to 1"),
        ]
    return limits
