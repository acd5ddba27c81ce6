"""A conversation to token ids, as the Qwen2.5 instruct models were trained (ChatML)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.decoding.prompt import Prompt
from midspan_engine.protocol import RequestRejected, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.tokenizer import Tokenizer

_ROLES = frozenset({"system", "user", "assistant", "tool"})
_DEFAULT_SYSTEM = Turn(role="system", text="You are a helpful assistant.")
_LONGEST_TOKEN = 16
"""Characters that no stretch of real text exceeds per token."""


def build_chat_prompt(turns: Sequence[Turn], tokenizer: Tokenizer, limit: int) -> Prompt:
    """Encode a conversation up to where the assistant's next turn begins.

    Too long, it loses its oldest turns first, but for the system's, then the beginning of the
    newest one.

    Raises:
        RequestRejected: the model knows no turns, or a role is unknown.
    """
    start, end = tokenizer.turn_start, tokenizer.special.im_end
    if start is None:
        raise RequestRejected("bad_request", "the loaded model does not know conversations")
    unknown = next((turn.role for turn in turns if turn.role not in _ROLES), None)
    if unknown is not None:
        raise RequestRejected("bad_request", f"there is no role {unknown[:32]!r}")
    break_ = tokenizer.encode("\n")
    if turns[0].role != "system":
        turns = [_DEFAULT_SYSTEM, *turns]

    def encoded(turn: Turn, room: int) -> list[int]:
        """The turn with its marks, the beginning of its text cut off where it is too long."""
        role = tokenizer.encode(f"{turn.role}\n")
        room = max(0, room - len(role) - 2 - len(break_))
        text = tokenizer.encode(turn.text[-limit * _LONGEST_TOKEN :])
        return [start, *role, *text[max(0, len(text) - room) :], end, *break_]

    opening = [start, *tokenizer.encode("assistant\n")]
    room = limit - len(opening)
    system = encoded(turns[0], room // 2)
    room -= len(system)
    kept: list[int] = []
    for turn in reversed(turns[1:]):
        ids = encoded(turn, limit if kept else room)
        if len(ids) > room:
            break
        kept = ids + kept
        room -= len(ids)
    ids = [*system, *kept, *opening]
    return Prompt(head=tuple(ids[:-1]), tail=(), middle_mark=ids[-1], pending=b"")
