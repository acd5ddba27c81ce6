"""Who is asked for a next edit, when, and what ends the asking. The engine is a script."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import EditRequest, RequestRejected
from midspan_server.next_edit import flow
from midspan_server.next_edit.flow import Flow
from midspan_server.next_edit.seeking import MOST_REGIONS
from midspan_server.settings import NextEditSettings

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Table

SETTINGS = NextEditSettings(model=True)
FILLER = "".join(f"x{at} = {at}\n" for at in range(40))


def _call(request: EditRequest) -> str:
    return request.region.replace("area(1)", "area(1, 1)")


def _body(request: EditRequest) -> str:
    return request.region.replace("return w\n", "return w * h\n")


def _both(request: EditRequest) -> str:
    return _call(request) if "area(1)" in request.region else _body(request)


async def test_rules_come_first_and_ask_nobody(table: Table) -> None:
    table.replace("def area(w)", "def area(width)")
    assert [one.source for one in await table.find()] == ["rules"]
    assert table.script.asked == []


async def test_regions_are_asked_one_after_the_other_until_one_has_an_edit(table: Table) -> None:
    table.script.rewrite = _body
    table.replace("area(w)", "area(w, h)")
    [found] = await table.find()
    assert (found.proposal.text, found.source) == (" * h", "engine")
    assert 0.5 < found.probability < 1
    assert "return w" in table.script.asked[-1].region
    assert len(table.script.asked) > 1


async def test_a_region_that_is_to_go_is_offered_as_one_deletion(table: Table) -> None:
    uses = "".join(f"area({at})\n" for at in range(4))
    table.desk.open("a.py", f"def area(w):\n    return w\n\n\n{uses}")
    table.script.rewrite = lambda _: ""
    table.replace("def area(w):\n    return w\n\n\n", "")
    [found] = await table.find()
    assert (found.proposal.applied(), found.proposal.label) == ("", "remove 4 lines")
    table.take(found)
    assert table.desk.documents["a.py"].text == ""


async def test_a_region_that_only_got_lost_is_not_offered(table: Table) -> None:
    table.script.rewrite = lambda _: ""
    table.replace("area(w)", "area(w, h)")
    assert await table.find() == ()


async def test_no_more_than_a_handful_of_regions_is_asked(table: Table) -> None:
    calls = "".join(f"{FILLER}area({at})\n" for at in range(9))
    table.desk.open("a.py", f"def area(w):\n    return w\n\n{calls}")
    table.replace("area(w)", "area(w, h)")
    assert await table.find() == ()
    assert len(table.script.asked) == MOST_REGIONS
    starts = [one.region for one in table.script.asked]
    assert len(set(starts)) == len(starts)


async def test_the_same_question_is_not_asked_twice(table: Table) -> None:
    table.replace("area(w)", "area(w, h)")
    assert await table.find() == ()
    number = len(table.script.asked)
    assert await table.find() == ()
    assert len(table.script.asked) == number


async def test_an_edit_that_was_dismissed_gives_way_to_another_region(table: Table) -> None:
    table.script.rewrite = _both
    table.replace("area(w)", "area(w, h)")
    [first] = await table.find()
    table.flow.memory.dismissed(first.id)
    [second] = await table.find()
    assert {first.proposal.text, second.proposal.text} == {" * h", ", 1"}


async def test_a_change_ends_the_search(table: Table) -> None:
    table.script.rewrite = lambda _: None
    table.replace("area(w)", "area(w, h)")
    waiting = asyncio.ensure_future(table.find())
    await table.script.was_asked.wait()
    table.replace("x1 = 1", "x1 = 11")
    assert await waiting == ()
    assert table.script.cancelled == 1


async def test_a_newer_question_about_the_same_text_joins(table: Table) -> None:
    table.script.rewrite = lambda _: None
    table.replace("area(w)", "area(w, h)")
    first, second = asyncio.ensure_future(table.find()), asyncio.ensure_future(table.find())
    await table.script.was_asked.wait()
    await asyncio.sleep(0)
    assert len(table.script.asked) == 1
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert table.script.cancelled == 0
    second.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await second
    await asyncio.sleep(0)
    assert table.script.cancelled == 1


async def test_who_asks_again_right_after_cancelling_gets_an_answer(table: Table) -> None:
    table.script.rewrite = lambda _: None
    table.replace("area(w)", "area(w, h)")
    first = asyncio.ensure_future(table.find())
    await table.script.was_asked.wait()
    first.cancel()
    await asyncio.sleep(0)
    table.script.rewrite = _both
    assert len(await table.find()) == 1


async def test_completions_keep_further_regions_waiting(table: Table) -> None:
    table.replace("area(w)", "area(w, h)")
    with table.flow.giving_way():
        waiting = asyncio.ensure_future(table.find())
        await asyncio.sleep(0.05)
        assert table.script.asked == []
    await waiting
    assert table.script.asked


async def test_the_budget_is_for_all_regions_together(table: Table) -> None:
    table.replace("area(w)", "area(w, h)")
    settings = NextEditSettings(model=True, budget_ms=100)
    with table.flow.giving_way():
        assert await table.find(settings) == ()
    assert table.script.asked == []
    await table.find(settings)
    budgets = [one.budget_ms or 0 for one in table.script.asked]
    assert budgets == sorted(budgets, reverse=True)
    assert max(budgets) <= 100


async def test_the_model_reads_snippets_of_other_documents_as_far_as_it_may(table: Table) -> None:
    table.desk.open("b.py", "def perimeter(width, height):\n    return area(width)\n")
    table.replace("return w", "return perimeter(w, 2)")
    await table.find()
    assert all(one.snippets == () for one in table.script.asked)
    table.flow = Flow(lambda: replace(table.scene(), snippet_chars=600), lambda: table.script)
    table.script.asked.clear()
    await table.find()
    home = [one for one in table.script.asked if one.path == "p/a.py"]
    assert home
    assert all("def perimeter" in one.snippets[-1].text for one in home)


async def test_likelihood_decides_which_region_is_asked_about_first(table: Table) -> None:
    table.replace("area(w)", "area(w, h)")
    settings = NextEditSettings(likelihood=True)
    assert await table.find() == ()
    assert table.script.measured == []
    by_rules = [one.region for one in table.script.asked]
    table.script.asked.clear()
    last = by_rules[-1]
    table.script.losses = lambda one: (0.0, 90.0) if one.text == last else (-5.0, 0.1)
    table.flow.stop()
    table.flow = Flow(table.scene, lambda: table.script)
    assert await table.find(settings) == ()
    assert [one.region for one in table.script.asked] == [last, *by_rules[:-1]]
    [request] = table.script.measured
    assert {one.text for one in request.passages} == set(by_rules)
    assert request.history == table.script.asked[0].history
    assert request.session == table.script.asked[0].session
    assert (request.budget_ms or 0) < settings.budget_ms / 2


async def test_an_order_that_takes_too_long_is_that_of_the_rules(table: Table) -> None:
    table.replace("area(w)", "area(w, h)")
    table.script.losses = None
    await table.find(NextEditSettings(likelihood=True, budget_ms=900))
    assert table.script.asked != []
    assert table.script.asked[0].budget_ms is not None


async def test_one_region_alone_is_not_put_in_order(table: Table) -> None:
    table.desk.open("a.py", "a = 1\nb = a\n")
    table.replace("a = 1", "a = 2")
    await table.find(NextEditSettings(likelihood=True))
    assert (len(table.script.asked), table.script.measured) == (1, [])


async def test_what_follows_an_offer_is_looked_for_ahead(table: Table) -> None:
    table.script.rewrite = _both
    table.replace("area(w)", "area(w, h)")
    offered = await table.find()
    table.flow.look_ahead(offered, SETTINGS)
    for _ in range(20):
        await asyncio.sleep(0)
    table.take(offered[0])
    number = len(table.script.asked)
    [second] = await table.find()
    assert {offered[0].proposal.text, second.proposal.text} == {" * h", ", 1"}
    assert second.proposal.snapshot is table.desk.documents["a.py"]
    assert len(table.script.asked) == number


async def test_parts_that_are_far_apart_are_offered_together_and_wait(table: Table) -> None:
    body = "".join(f"    a{at} = 0\n" for at in range(6))
    table.desk.open("a.py", f"def area(w):\n    b = w\n{body}    return w\n")
    table.script.rewrite = lambda request: request.region.replace("= w\n", "= w * h\n").replace(
        "return w\n", "return w, h\n"
    )
    table.replace("area(w)", "area(w, h)")
    first, second = await table.find()
    assert (first.proposal.text, second.proposal.text) == (" * h", ", h")
    table.take(first)
    number = len(table.script.asked)
    [again] = await table.find()
    assert again.proposal.text == ", h"
    assert len(table.script.asked) == number


@pytest.mark.parametrize("line", ["\n\n   ", "x" * 2000, "x1, y2 = [{}] " * 60])
async def test_empty_and_long_regions_are_not_asked_about(table: Table, line: str) -> None:
    table.desk.open("a.py", f"a = 1\n{line}\n")
    table.replace("a = 1\n", "")
    assert await table.find() == ()
    assert table.script.asked == []


async def test_what_waits_is_gone_when_the_person_does_something_else(table: Table) -> None:
    body = "".join(f"    a{at} = 0\n" for at in range(6))
    table.desk.open("a.py", f"def area(w):\n    b = w\n{body}    return w\n")
    table.script.rewrite = lambda request: request.region.replace("= w\n", "= w * h\n").replace(
        "return w\n", "return w, h\n"
    )
    table.replace("area(w)", "area(w, h)")
    assert len(await table.find()) == 2
    table.replace("a3 = 0", "a3 = 1")
    table.script.rewrite = lambda request: request.region
    assert await table.find() == ()


async def test_a_region_that_is_refused_is_passed_over(table: Table) -> None:
    table.script.error = RequestRejected("too_large", "too long")
    table.replace("area(w)", "area(w, h)")
    assert await table.find() == ()
    assert len(table.script.asked) > 1
    table.script.error = RequestRejected("queue_full", "busy")
    with pytest.raises(RequestRejected):
        await table.find()


async def test_asking_by_hand_shows_what_is_doubtful(table: Table) -> None:
    table.script.rewrite = lambda request: request.region.replace(
        "return w\n", "return w * h * " + " * ".join(f"unknown_{at}" for at in range(60)) + "(\n"
    )
    table.replace("area(w)", "area(w, h)")
    quiet = NextEditSettings(model=True, show="quiet")
    assert await table.find(quiet) == ()
    shown = await table.find(quiet, by_hand=True)
    assert [one.probability < 0.6 for one in shown] == [True]


async def test_without_the_model_only_rules_are_used(table: Table) -> None:
    table.replace("area(w)", "area(w, h)")
    assert await table.find(NextEditSettings(model=False)) == ()
    assert table.script.asked == []


async def test_an_engine_that_is_not_ready_is_asked_again(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "_AGAIN_AFTER_S", (0.01, 0.01, 0.01))
    table.script.rewrite = _both
    table.script.error = RequestRejected("not_ready", "loading")
    table.replace("area(w)", "area(w, h)")
    waiting = asyncio.ensure_future(table.find())
    await table.script.was_asked.wait()
    table.script.error = None
    assert len(await waiting) == 1


async def test_an_engine_that_is_never_ready_is_asked_a_few_times(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "_AGAIN_AFTER_S", (0.01, 0.01, 0.01))
    table.script.error = RequestRejected("not_ready", "loading")
    table.replace("area(w)", "area(w, h)")
    with pytest.raises(RequestRejected):
        await table.find()
    assert len(table.script.asked) == 4
    with pytest.raises(RequestRejected):
        await table.find(by_hand=True)
    assert len(table.script.asked) == 5


async def test_a_change_ends_the_wait_for_the_engine(table: Table) -> None:
    table.script.error = RequestRejected("not_ready", "loading")
    table.replace("area(w)", "area(w, h)")
    waiting = asyncio.ensure_future(table.find())
    await table.script.was_asked.wait()
    table.replace("x1 = 1", "x1 = 11")
    assert await waiting == ()
    assert len(table.script.asked) == 1


async def test_what_waits_in_another_document_stays_behind_what_the_model_says_now(
    table: Table,
) -> None:
    table.script.rewrite = _both
    table.replace("area(w)", "area(w, h)")
    [waiting] = await table.find()
    other = table.desk.open("b.py", "y = 1\n")
    table.flow.changed(other, table.desk.replace("b.py", "1", "2"))
    table.script.rewrite = lambda request: request.region
    [again] = await table.find()
    assert again.proposal.text == waiting.proposal.text
    table.flow.changed(table.desk.documents["b.py"], table.desk.replace("b.py", "2", "3"))
    table.script.rewrite = lambda request: request.region.replace("y = 3", "y = 3, 4")
    [newer] = await table.find()
    assert newer.proposal.text == ", 4"
