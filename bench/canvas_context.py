"""Tasks in the middle of longer files: code of other tasks stands before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from infilling_tasks import Task

PREFIX_TOKENS, SUFFIX_TOKENS = 384, 128
"""Share of 512 tokens of context."""
_LONGEST_TOKEN = 8
"""Characters a token: more than code has, so that the context is full."""
_STRIDE = 37


def among_others(tasks: Sequence[Task]) -> list[Task]:
    """The tasks with so much code around them that every context is cut to its limit.

    Raises:
        ValueError: all tasks are about one function.
    """
    if len({task.entry_point for task in tasks}) == 1:
        raise ValueError("a longer context needs tasks about several functions")
    return [_amid(task, _others(tasks, index)) for index, task in enumerate(tasks)]


def _others(tasks: Sequence[Task], index: int) -> Iterator[str]:
    """Functions of other tasks, the same ones for one list of tasks, without end."""
    own = tasks[index].entry_point
    while True:
        # Tasks that follow each other are lines of the same function.
        index = (index + (_STRIDE if len(tasks) % _STRIDE else 1)) % len(tasks)
        other = tasks[index]
        if other.entry_point == own:
            continue
        yield (other.prompt + other.canonical_solution + other.suffix).strip() + "\n"


def _amid(task: Task, others: Iterator[str]) -> Task:
    before = after = ""
    while len(before) < PREFIX_TOKENS * _LONGEST_TOKEN:
        before = next(others) + "\n\n" + before
    while len(after) < SUFFIX_TOKENS * _LONGEST_TOKEN:
        after += "\n\n" + next(others)
    return msgspec.structs.replace(
        task, prompt=before + task.prompt.lstrip(), suffix=task.suffix.rstrip("\n") + "\n" + after
    )
