"""Next edits: the text of plain greedy decoding in fewer passes, and where a region ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midspan_engine.decoding.edit_prompt import EditWindow
from midspan_engine.decoding.guess import Guess
from midspan_engine.decoding.rewrite import RewriteConfig, RewriteTask
from midspan_engine.engine import Engine
from midspan_engine.protocol import EditRequest, PastEdit, RequestRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.decoding.conftest import ScriptedRuntime

    from midspan_engine.decoding.canvas import Canvas
    from midspan_engine.protocol import Edited

    MakeEngine = Callable[..., Engine]

GREEDY = RewriteConfig(rows=1)
REGION = """class Reader:
    def __init__(self, path):
        self.path = path
        self.lines = load_module("reader", path)

    def count(self):
        return len(self.lines)
"""
RENAMED = PastEdit(
    path="a.py", diff="-def load_module(name, path):\n+def read_lines(name, path):\n"
)
LAST = 'print("the end")\n'
"""A line of the region behind which a deletion ends."""


def ask(region: str = REGION, **changes: object) -> EditRequest:
    values: dict[str, object] = {
        "id": 1,
        "session": "e",
        "path": "a.py",
        "history": (RENAMED,),
        "before": "import os\n\n\n",
        "after": "\n\nprint(Reader('x').count())\n",
        "region": region,
        "max_tokens": 200,
    }
    return EditRequest(**{**values, **changes})  # type: ignore[arg-type]


class Rewriter:
    """An engine on a scripted network."""

    def __init__(self, runtime: ScriptedRuntime) -> None:
        self.runtime = runtime
        self.engine = Engine(runtime, runtime.tokenizer)

    def edit(self, said: str, **changes: object) -> Edited:
        self.runtime.will_say(said)
        return self.engine.edit(ask(**changes))  # type: ignore[arg-type]


@pytest.fixture
def rewriter(scripted: ScriptedRuntime) -> Rewriter:
    return Rewriter(scripted)


def same(one: Edited, other: Edited) -> bool:
    """Whether two answers agree in all but what they cost."""
    numbers = [
        (answer.edit_probability, answer.mean_logprob, answer.lowest_logprob)
        for answer in (one, other)
    ]
    texts = (one.finish, one.text, one.stats.tokens), (other.finish, other.text, other.stats.tokens)
    return texts[0] == texts[1] and numbers[0] == pytest.approx(numbers[1], abs=1e-3)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_verified_equals_greedy_whatever_the_guesses(
    make_ending: MakeEngine, data: st.DataObject
) -> None:
    """Speculation changes the number of passes, never the tokens (Leviathan et al. 2023)."""
    lines = REGION.splitlines(keepends=True)
    first = data.draw(st.integers(0, len(lines) - 1), label="first line")
    request = ask("".join(lines[first:]), max_tokens=60)
    said: list[int] = []
    step = RewriteTask._step

    def listen(self: RewriteTask, *rest: object) -> None:
        step(self, *rest)  # type: ignore[arg-type]
        said[:] = self._tokens

    def meddle(_self: RewriteTask, canvas: Canvas) -> Guess:
        """Partly what will be said, so that guesses stand, and partly anything."""
        at = len(canvas.tokens)
        right = data.draw(st.integers(0, 8), label="right")
        wrong = data.draw(st.lists(st.integers(0, 350), max_size=4), label="wrong")
        tokens = (*by_greedy[at : at + right], *wrong)
        return Guess(tokens, (0.5,) * len(tokens))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RewriteTask, "_step", listen)
        expected = make_ending(GREEDY).edit(request)
        by_greedy = list(said)
        assert same(make_ending().edit(request), expected)
        assert said == by_greedy
        patch.setattr(RewriteTask, "_guess", meddle)
        assert same(make_ending().edit(request), expected)
        assert said == by_greedy
    assert expected.stats.passes == min(len(said) + 1, 60)


def test_the_tiny_network_both_ends_and_runs_on(make_ending: MakeEngine) -> None:
    """What the test above compares are edits too, not only answers without a text."""
    engine = make_ending()
    lines = REGION.splitlines(keepends=True)
    answers = [
        engine.edit(ask("".join(lines[first:]), max_tokens=60, session=f"{first}"))
        for first in range(len(lines))
    ]
    assert {"edit", "length"} <= {answer.finish for answer in answers}


def test_an_end_mark_first_means_no_edit_after_one_pass(rewriter: Rewriter) -> None:
    answer = rewriter.edit("")
    assert (answer.finish, answer.text) == ("no_edit", "")
    assert answer.stats.passes == 1
    assert answer.edit_probability < 0.01


@pytest.mark.parametrize("effort", ["verified", "balanced"])
def test_a_line_break_alone_leaves_nothing_of_the_region(rewriter: Rewriter, effort: str) -> None:
    answer = rewriter.edit("\n", effort=effort)
    assert (answer.finish, answer.text, answer.stats.tokens) == ("edit", "", 1)
    assert answer.edit_probability > 0.99


def test_a_blank_region_is_not_deleted_by_a_blank_answer(rewriter: Rewriter) -> None:
    assert rewriter.edit("\n", region="\n").finish == "no_edit"
    assert rewriter.edit("\n\n", region="\n", session="b").text == "\n\n"


def test_a_deletion_is_as_certain_as_its_least_certain_token(rewriter: Rewriter) -> None:
    rewriter.runtime.unsure = 1.0
    answer = rewriter.edit("\n")
    assert answer.mean_logprob == pytest.approx(np.log(0.5), abs=0.01)
    assert answer.lowest_logprob == pytest.approx(np.log(0.5), abs=0.01)


def test_a_deletion_needs_the_threshold_of_an_edit(rewriter: Rewriter) -> None:
    rewriter.runtime.doubt = 0.4
    assert rewriter.edit("\n").finish == "no_edit"
    assert rewriter.edit("\n", edit_from=0.45, session="b").finish == "no_edit"
    allowed = rewriter.edit("\n", edit_from=0.35, session="c")
    assert (allowed.finish, allowed.text) == ("edit", "")


def test_a_region_that_comes_back_as_it_is_is_no_edit(rewriter: Rewriter) -> None:
    answer = rewriter.edit(REGION)
    assert (answer.finish, answer.text) == ("no_edit", "")
    assert answer.edit_probability > 0.99


def test_a_threshold_decides_instead_of_the_likelier_one(rewriter: Rewriter) -> None:
    changed = REGION.replace("self.path = path", "self.name = path")
    rewriter.runtime.doubt = 0.4
    assert rewriter.edit(changed).finish == "no_edit"
    eager = rewriter.edit(changed, edit_from=0.35, session="b")
    assert (eager.finish, eager.text) == ("edit", changed)
    assert eager.edit_probability == pytest.approx(0.4, abs=0.01)
    assert rewriter.edit(changed, edit_from=0.45, session="c").stats.passes == 1
    rewriter.runtime.doubt = 0.9
    assert rewriter.edit(changed, session="d").finish == "edit"
    assert rewriter.edit(changed, edit_from=0.95, session="e").finish == "no_edit"


CHANGES = {
    "substitution": REGION.replace("self.path = path", "self.where = path"),
    "insertion": REGION.replace("        self.lines", "        self.count = 0\n        self.lines"),
    "deletion": REGION.replace("        self.path = path\n", ""),
    "two places": REGION.replace("self, path", "self, name").replace("len(self", "open(self"),
    "growth at the end": REGION + "\n    def name(self):\n        return self.path\n",
    "cut at the end": REGION[: REGION.index("    def count")],
    "something new": "import sys\nprint(sys.argv)\n",
}


@pytest.mark.parametrize("kind", CHANGES)
def test_every_kind_of_change_comes_out(rewriter: Rewriter, kind: str) -> None:
    answer = rewriter.edit(CHANGES[kind])
    assert (answer.finish, answer.text) == ("edit", CHANGES[kind])
    assert answer.stats.tokens == len(rewriter.runtime.answer) - 1


@pytest.mark.parametrize("kind", ["substitution", "insertion", "deletion", "two places"])
def test_after_a_change_the_rest_is_copied_in_few_passes(rewriter: Rewriter, kind: str) -> None:
    answer = rewriter.edit(CHANGES[kind], history=())
    assert answer.stats.tokens / answer.stats.passes >= 5
    assert max(rewriter.runtime.rows[-answer.stats.passes + 1 :]) <= RewriteConfig().rows


def test_what_the_newest_hunk_did_is_guessed_where_it_can_be_done_again(
    rewriter: Rewriter,
) -> None:
    renamed = REGION.replace("load_module", "read_lines")
    alone = rewriter.edit(renamed, history=(), session="a")
    told = rewriter.edit(renamed, session="b")
    assert told.text == alone.text == renamed
    assert told.stats.passes < alone.stats.passes


def test_log_probabilities_are_those_of_the_tokens_that_differ(rewriter: Rewriter) -> None:
    sure = rewriter.edit(CHANGES["cut at the end"])
    assert -1e-2 < sure.lowest_logprob <= sure.mean_logprob < 0
    rewriter.runtime.unsure = 1.0
    unsure = rewriter.edit(CHANGES["cut at the end"], session="b")
    assert unsure.mean_logprob == pytest.approx(np.log(0.5), abs=0.01)


def test_a_lost_line_break_at_the_end_is_put_back(rewriter: Rewriter) -> None:
    assert rewriter.edit(REGION.rstrip("\n")).finish == "no_edit"
    assert rewriter.edit("pass", session="b").text == "pass\n"
    assert rewriter.edit("pass", region="x", session="c").text == "pass"


def test_an_answer_that_is_too_long_is_none(rewriter: Rewriter) -> None:
    whole = len(rewriter.engine.tokenizer.encode(CHANGES["insertion"]))
    short = rewriter.edit(CHANGES["insertion"], max_tokens=whole)
    assert (short.finish, short.text, short.stats.tokens) == ("length", "", whole)
    enough = rewriter.edit(CHANGES["insertion"], max_tokens=whole + 1, session="b")
    assert enough.finish == "edit"


def test_a_budget_ends_it_without_half_an_edit(rewriter: Rewriter) -> None:
    rewriter.runtime.will_say(CHANGES["something new"])
    answers: list[Edited] = []
    rewriter.engine.submit(1, ask(budget_ms=10_000), answers.append)  # type: ignore[arg-type]
    task = rewriter.engine._running[1].task
    assert isinstance(task, RewriteTask)
    while not task._tokens:
        rewriter.engine.step()
    task._clock.arrived -= 60.0
    while rewriter.engine.step():
        pass
    answer = answers[0]
    assert (answer.finish, answer.text) == ("budget", "")
    assert answer.stats.passes == 2, "a pass that was under way is counted"
    assert answer.edit_probability > 0.99


def test_a_request_that_is_too_late_when_it_comes_costs_nothing(rewriter: Rewriter) -> None:
    answers: list[Edited] = []
    late = ask(before="import os\n" * 60, budget_ms=500)
    rewriter.engine.submit(1, late, answers.append, arrived=time.perf_counter() - 1)  # type: ignore[arg-type]
    assert not rewriter.engine.step()
    assert (answers[0].finish, rewriter.runtime.count.passes) == ("budget", 0)
    assert rewriter.engine.waiting == 0


def test_a_budget_that_ends_within_the_context_keeps_what_is_encoded(rewriter: Rewriter) -> None:
    rewriter.runtime.will_say(CHANGES["insertion"])
    answers: list[Edited] = []
    before = "import os\n" * 60
    request = ask(before=before, budget_ms=10_000)
    rewriter.engine.submit(1, request, answers.append)  # type: ignore[arg-type]
    running = rewriter.engine._running[1]
    rewriter.engine.step()
    running.task._clock.arrived -= 60.0  # type: ignore[attr-defined]
    while rewriter.engine.step():
        pass
    assert (answers[0].finish, answers[0].edit_probability) == ("budget", 0.0)
    assert (answers[0].stats.passes, answers[0].stats.decode_ms) == (0, 0.0)
    again = rewriter.edit(CHANGES["insertion"], before=before)
    assert again.text == CHANGES["insertion"]
    assert again.stats.cached_tokens >= RewriteConfig().chunk


def test_balanced_keeps_the_text_where_it_is_nearly_as_likely(rewriter: Rewriter) -> None:
    """The draft's token stands against one that is a hair likelier."""
    tokenizer = rewriter.engine.tokenizer
    rewriter.runtime.unsure = 1.0
    region = tokenizer.decode([*tokenizer.encode("x = 1\n"), 9, *tokenizer.encode("\ny = 2\n")])
    ids = tokenizer.encode(region)
    assert 9 in ids[1:]
    changed = tokenizer.decode([11 if token == 9 else token for token in ids])
    assert rewriter.edit(changed, region=region, history=()).text == changed
    kept = rewriter.edit(changed, region=region, history=(), session="b", effort="balanced")
    draft = rewriter.edit(changed, region=region, history=(), session="c", effort="draft")
    assert kept.text != changed
    assert (draft.finish, draft.text) == (kept.finish, kept.text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be 1 to 512"),
        ({"budget_ms": 0}, "budget_ms must be positive"),
        ({"region": ""}, "region must not be empty"),
        ({"edit_from": 1.5}, "edit_from must be 0 to 1"),
        ({"path": "x" * 5_000}, "path must have at most"),
    ],
)
def test_values_out_of_range_are_refused_by_name(
    rewriter: Rewriter, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestRejected, match=message) as refused:
        rewriter.edit("x\n", **changes)
    assert refused.value.code == "bad_request"


@pytest.mark.parametrize("times", [20, 100_000])
def test_a_region_beyond_the_window_is_too_large(rewriter: Rewriter, times: int) -> None:
    with pytest.raises(RequestRejected, match="region has") as refused:
        rewriter.edit("x\n", region=REGION * times)
    assert refused.value.code == "too_large"
    assert rewriter.engine.waiting == 0


def test_huge_surroundings_are_cut_and_cost_little(rewriter: Rewriter) -> None:
    huge = "x = 1\n" * 500_000
    past = (PastEdit(path="b.py", diff=huge), PastEdit(path="a.py", diff=huge))
    answer = rewriter.edit(REGION + "z\n", before=huge, after=huge, history=past)
    assert answer.finish == "edit"
    assert answer.stats.prompt_tokens <= EditWindow().total


def test_an_answer_that_runs_on_is_given_up(rewriter: Rewriter) -> None:
    answer = rewriter.edit(REGION + "x = 1\n" * 200, max_tokens=512)
    region = len(rewriter.engine.tokenizer.encode(REGION))
    assert (answer.finish, answer.stats.tokens) == ("length", region + RewriteConfig().growth)
