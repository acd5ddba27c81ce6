from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from infilling_tasks import (
    Task,
    body_indent,
    is_exact,
    load_tasks,
    program,
    random_spans,
    request_for,
    spread,
)

if TYPE_CHECKING:
    from pathlib import Path

TASK = Task(
    task_id="SingleLineInfilling/HumanEval/0/L0",
    entry_point="double",
    prompt="def double(x):\n",
    suffix="    return y\n",
    canonical_solution="    y = 2 * x\n",
    test="def check(candidate):\n    assert candidate(4) == 8\n",
)


def test_limited_tasks_are_spread_over_the_whole_set() -> None:
    assert spread(range(10), 5) == [0, 2, 4, 6, 8]
    assert spread(range(3), None) == [0, 1, 2]
    assert spread(range(3), 9) == [0, 1, 2]


def test_exact_match_ignores_white_space_at_the_end_only() -> None:
    assert is_exact(TASK, "    y = 2 * x")
    assert not is_exact(TASK, "y = 2 * x\n")


def test_the_line_break_that_a_line_leaves_out_is_put_back() -> None:
    assert "    y = x + x\n    return y" in program(TASK, "    y = x + x")
    assert "    y = x + x\n    return y" in program(TASK, "    y = x + x\n")


@pytest.mark.parametrize(
    ("prompt", "columns"),
    [
        ("def f():\n    for x in y:\n", 1),
        ("def f():\n    pass\n\ndef g():\n    if x:\n        return\n", 1),
        ("class A:\n    def g(self):\n        x = 1\n", 5),
        ("class A:\n\tdef g(self):\n", 5),
        ("x = 1\n", 0),
    ],
)
def test_a_block_ends_where_its_function_ends(prompt: str, columns: int) -> None:
    assert body_indent(prompt) == columns


def test_every_request_has_a_session_of_its_own() -> None:
    sessions = {request_for(TASK, "multi", number=n, effort="verified").session for n in range(3)}
    assert len(sessions) == 3


def test_in_an_editor_the_line_break_stands_behind_the_cursor() -> None:
    editor = request_for(TASK, "single", number=0, effort="verified")
    plain = request_for(TASK, "single", number=0, effort="verified", hole="benchmark")
    assert plain.suffix == TASK.suffix
    assert editor.suffix == "\n" + TASK.suffix


def test_a_set_is_read_from_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "human-eval-infilling"
    folder.mkdir()
    line = json.dumps({name: getattr(TASK, name) for name in TASK.__struct_fields__})
    with gzip.open(folder / "SingleLine-even.jsonl.gz", "wt") as file:
        file.write(line + "\n")
    assert load_tasks(tmp_path, "single") == [TASK]


def test_random_spans_are_holes_of_the_functions_that_the_lines_come_from() -> None:
    second = msgspec.structs.replace(
        TASK,
        task_id="SingleLineInfilling/HumanEval/0/L1",
        prompt=TASK.prompt + TASK.canonical_solution,
        canonical_solution=TASK.suffix,
        suffix="",
    )
    spans = random_spans([second, TASK])
    whole = TASK.prompt + TASK.canonical_solution + TASK.suffix
    assert len({span.task_id for span in spans}) == len(spans) <= 3
    for span in spans:
        assert span.prompt + span.canonical_solution + span.suffix == whole
        assert span.prompt.startswith(TASK.prompt)
        assert span.canonical_solution.strip()
        assert is_exact(span, span.canonical_solution)
        assert not is_exact(span, span.canonical_solution + " ")
        assert program(span, span.canonical_solution).startswith(whole)
    assert random_spans([TASK, second]) == spans


def test_a_random_span_asks_for_exactly_what_was_cut() -> None:
    span = msgspec.structs.replace(TASK, suffix=" * x\n    return y\n")
    assert request_for(span, "span", number=0, effort="verified").suffix == span.suffix


def test_missing_data_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"github\.com/openai/human-eval-infilling"):
        load_tasks(tmp_path, "multi")
