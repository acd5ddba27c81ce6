"""What is offered after something was taken back, and after it was made again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Table

    from midspan_server.next_edit.proposals import Offered

RENAMED = "def area(width):\n    a = width\n    b = 1\n    c = width\n    d = 1\n    return width\n"


async def test_after_an_undo_the_model_is_asked_by_hand_only(table: Table) -> None:
    table.replace("area(w)", "area(w, h)")
    table.replace("x39 = 39", "x39 = 40")
    table.replace("x39 = 40", "x39 = 39")
    assert await table.find() == ()
    assert table.script.asked == []
    await table.find(by_hand=True)
    assert table.script.asked


def _taken_back(table: Table, offered: Offered) -> None:
    text = table.desk.documents["a.py"].text
    line = offered.proposal.line
    start = table.desk.documents["a.py"].line_starts[line]
    at = text.index("size", start)
    after = table.desk.edit("a.py", at, at + 4, "width")
    table.flow.changed(offered.proposal.snapshot, after)


async def test_a_rename_that_was_undone_and_is_made_again_is_followed_again(table: Table) -> None:
    table.desk.open("a.py", RENAMED)
    for _ in range(2):
        table.replace("area(width", "area(size")
        taken = []
        while offered := await table.find():
            taken.append(offered[0])
            table.take(offered[0])
        assert len(taken) == 3
        for one in reversed(taken):
            _taken_back(table, one)
        table.replace("area(size", "area(width")


async def test_a_rename_back_by_hand_may_be_followed_again_too(table: Table) -> None:
    table.desk.open("a.py", RENAMED)
    table.replace("area(width", "area(size")
    for _ in range(3):
        table.take((await table.find())[0])
    for old in ("return size", "c = size", "a = size", "area(size"):
        table.replace("b = ", "b =  ")
        table.replace(old, old.replace("size", "width"))
    table.replace("area(width", "area(size")
    table.desk.history.saved(table.desk.documents["a.py"].uri, table.desk.at)
    assert len(await table.find()) == 3


async def test_after_one_use_was_taken_back_nothing_is_offered_until_a_save(table: Table) -> None:
    table.desk.open("a.py", RENAMED)
    table.replace("area(width", "area(size")
    first = (await table.find())[0]
    table.take(first)
    _taken_back(table, first)
    assert await table.find() == ()
    assert len(await table.find(by_hand=True)) == 2
    table.desk.history.saved(table.desk.documents["a.py"].uri, table.desk.at)
    rest = await table.find()
    assert [one.proposal.line for one in rest] == [3, 5]


async def test_a_save_told_right_after_the_question_counts(table: Table) -> None:
    table.desk.open("a.py", RENAMED)
    table.replace("area(width", "area(size")
    first = (await table.find())[0]
    table.take(first)
    _taken_back(table, first)
    waiting = asyncio.ensure_future(table.find())
    await asyncio.sleep(0)
    table.desk.history.saved(table.desk.documents["a.py"].uri, table.desk.at)
    assert len(await waiting) == 2
