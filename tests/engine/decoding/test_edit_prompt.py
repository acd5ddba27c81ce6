from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from midspan_engine.decoding.edit_prompt import (
    EditContext,
    EditWindow,
    Marks,
    WindowError,
    encode_prompt,
    hunk_text,
)
from midspan_engine.protocol import PastEdit, Snippet

MARKS = Marks(file=-1, prefix=-2, suffix=-3, middle=-4, pad=-5, end=-6)
NAMES = {-1: "{file}", -2: "{prefix}", -3: "{suffix}", -4: "{middle}", -5: "{pad}", -6: "{end}"}
CONTEXT = EditContext(
    path="a.py",
    history=(
        PastEdit(path="b.py", diff="+old\n"),
        PastEdit(path="a.py", diff="-one\n+two\n"),
    ),
    before="before\n",
    original="region\n",
    after="after\n",
)


def _encode(text: str) -> list[int]:
    """A token for each character."""
    return [ord(letter) for letter in text]


def _shown(ids: list[int]) -> str:
    return "".join(NAMES[number] if number < 0 else chr(number) for number in ids)


def test_both_layouts_end_where_the_updated_region_begins() -> None:
    history = "{file}b.py\n@@\n+old\n{file}a.py\n@@\n-one\n+two\n{file}a.py\n"
    fim = encode_prompt(CONTEXT, "fim", _encode, MARKS, EditWindow())
    assert _shown(fim) == (history + "{prefix}before\n{suffix}after\n{pad}region\n{middle}")
    sections = encode_prompt(CONTEXT, "sections", _encode, MARKS, EditWindow())
    assert _shown(sections) == (history + "before\n{prefix}region\n{suffix}after\n{file}")


def test_snippets_stand_behind_the_history_where_room_is_left() -> None:
    told = replace(
        CONTEXT,
        snippets=(Snippet(path="d.py", text="less" * 9), Snippet(path="c.py", text="more" * 9)),
    )
    full = len(encode_prompt(told, "fim", _encode, MARKS, EditWindow()))
    bare = encode_prompt(CONTEXT, "fim", _encode, MARKS, EditWindow())

    def shown(by: int) -> str:
        return _shown(encode_prompt(told, "fim", _encode, MARKS, EditWindow(total=full - by)))

    more = "{file}c.py\n" + "more" * 9 + "\n"
    parts = _shown(bare).partition("{file}a.py\n{prefix}")
    less = "{file}d.py\n" + "less" * 9 + "\n"
    assert shown(0) == parts[0] + more + less + parts[1] + parts[2]
    assert shown(3) == parts[0] + more + less[:-3] + parts[1] + parts[2]
    assert shown(len("d.py") + 36) == parts[0] + more + parts[1] + parts[2]
    assert shown(full - len(bare)) == _shown(bare)


def test_parts_are_cut_at_the_far_end() -> None:
    window = EditWindow(before=3, after=3)
    prompt = _shown(encode_prompt(CONTEXT, "fim", _encode, MARKS, window))
    assert "{prefix}re\n{suffix}aft{pad}" in prompt


def test_parts_give_way_in_order_of_importance() -> None:
    full = len(encode_prompt(CONTEXT, "fim", _encode, MARKS, EditWindow()))

    def shortened(by: int) -> str:
        window = EditWindow(total=full - by)
        ids = encode_prompt(CONTEXT, "fim", _encode, MARKS, window)
        assert len(ids) <= full - by
        return _shown(ids)

    assert "+old" not in shortened(1)
    assert "after\n" in shortened(10)
    assert "{suffix}aft{pad}" in shortened(14 + 3)
    scarce = shortened(14 + len("after\n") + 4)
    assert "{prefix}re\n{suffix}{pad}region\n" in scarce
    assert "-one\n+two\n" in scarce


def test_a_window_smaller_than_the_region_is_refused() -> None:
    window = replace(EditWindow(), region=3)
    with pytest.raises(WindowError, match="7 tokens, 3 fit"):
        encode_prompt(CONTEXT, "fim", _encode, MARKS, window)


def test_a_tokenizer_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no markers"):
        Marks.of(lambda _name: None)


def test_a_hunk_keeps_two_lines_of_context_and_no_more() -> None:
    before = "a\nb\nc\nd\ne\nf\ng\n"
    after = "a\nb\nc\nD\ne\nf\ng\n"
    assert hunk_text(before, after) == " b\n c\n-d\n+D\n e\n f\n"


def test_a_hunk_can_insert_at_the_top_and_delete_at_the_end() -> None:
    assert hunk_text("a\n", "new\na\n") == "+new\n a\n"
    assert hunk_text("a\nb\n", "a\n") == " a\n-b\n"


def test_the_engine_can_import_it_without_torch() -> None:
    code = "import sys, midspan_engine.decoding.edit_prompt; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
