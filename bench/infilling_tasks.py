"""HumanEval infilling: tasks, requests, and when an answer counts as right."""

from __future__ import annotations

import gzip
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from midspan_engine.protocol import InfillRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.protocol import Effort

T = TypeVar("T")
TaskSet = Literal["single", "multi", "span"]
Hole = Literal["editor", "benchmark"]

_FILES: dict[TaskSet, str] = {
    "single": "SingleLine-even.jsonl.gz",
    "multi": "MultiLine-even.jsonl.gz",
    "span": "SingleLine-even.jsonl.gz",
}
_MAX_TOKENS: dict[TaskSet, int] = {"single": 64, "multi": 256, "span": 256}
_SPANS = 3
"""Of each function, blank ones left out."""
_DEF = re.compile(r"^([ \t]*)(?:async )?def ", re.MULTILINE)
DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_MISSING = """\
{path} is not there. The tasks are those of HumanEval Infilling with even numbers, one JSON object a
line: https://github.com/openai/human-eval-infilling (MIT), files data/HumanEval-SingleLineInfilling
and -MultiLineInfilling. Point --data at the folder that holds human-eval-infilling/{name}."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the benchmark's files."""

    task_id: str
    entry_point: str
    prompt: str
    suffix: str
    canonical_solution: str
    test: str


def load_tasks(folder: Path, which: TaskSet) -> list[Task]:
    """Read a set; `span` is cut out of the functions of `single`.

    Raises:
        FileNotFoundError: it is not there; the text says where it comes from.
    """
    path = folder / "human-eval-infilling" / _FILES[which]
    if not path.is_file():
        raise FileNotFoundError(_MISSING.format(path=path, name=path.name))
    decoder = msgspec.json.Decoder(Task)
    with gzip.open(path, "rb") as lines:
        tasks = [decoder.decode(line) for line in lines if line.strip()]
    return random_spans(tasks) if which == "span" else tasks


def random_spans(tasks: Sequence[Task]) -> list[Task]:
    """Holes that begin and end at any character of a function's body (Bavarian et al. 2022).

    The benchmark's own file of such holes is another draw of the same.

    Args:
        tasks: Holes of one line; the first of a function begins its body.
    """
    functions: dict[str, Task] = {}
    for task in tasks:
        name = task.task_id.rsplit("/", 1)[0]
        if name not in functions or len(task.prompt) < len(functions[name].prompt):
            functions[name] = task
    spans = []
    for name, task in functions.items():
        body = task.canonical_solution + task.suffix
        draw = random.Random(name)
        for number in range(_SPANS):
            begin, end = sorted(draw.sample(range(len(body.rstrip()) + 1), 2))
            if not body[begin:end].strip():
                continue
            hole = {
                "task_id": f"{name}/S{number}",
                "prompt": task.prompt + body[:begin],
                "canonical_solution": body[begin:end],
                "suffix": body[end:],
            }
            spans.append(msgspec.structs.replace(task, **hole))
    return spans


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most `limit` of `items`, evenly spread."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]


def request_for(
    task: Task, which: TaskSet, *, number: int, effort: Effort, hole: Hole = "editor"
) -> InfillRequest:
    """The request for a task; a session of its own, so that nothing is cached.

    The benchmark's holes swallow the line break at their end. In an editor it stands behind the
    cursor, so it belongs to the suffix: the file is the same, and the model does better. Random
    spans swallow none.
    """
    as_cut = hole == "benchmark" or which == "span"
    return InfillRequest(
        id=number,
        session=f"quality:{number}",
        language="python",
        prefix=task.prompt,
        suffix=task.suffix if as_cut else "\n" + task.suffix,
        scope="line" if which == "single" else "block",
        block_indent=0 if which == "single" else body_indent(task.prompt),
        max_tokens=_MAX_TOKENS[which],
        effort=effort,
    )


def body_indent(prompt: str) -> int:
    """Columns below which a line no longer belongs to the function that the hole is in.

    A multi-line hole may begin and end at any depth, so only leaving the function is certain to be
    wrong; the model ends the span before that with EOS. An editor has the enclosing function from
    its syntax tree; here it is the last `def` of the prompt, and one column more than its own
    indentation is inside.
    """
    headers = _DEF.findall(prompt)
    return len(headers[-1].expandtabs(4)) + 1 if headers else 0


def is_exact(task: Task, text: str) -> bool:
    """Whether `text` is the canonical solution; lines may differ in white space at their end."""
    if is_random(task):
        return text == task.canonical_solution
    return text.rstrip() == task.canonical_solution.rstrip()


def is_random(task: Task) -> bool:
    """Whether the hole is one of `random_spans`: what it ends with is as good as the rest."""
    return task.task_id.rsplit("/", 1)[-1].startswith("S")


def program(task: Task, text: str) -> str:
    """The file that passes when `text` is right.

    The canonical solution ends with a line break, which the end of a line or of a block leaves out.
    """
    if not is_random(task) and task.canonical_solution.endswith("\n") and not text.endswith("\n"):
        text += "\n"
    return f"{task.prompt}{text}{task.suffix}\n{task.test}\ncheck({task.entry_point})\n"
