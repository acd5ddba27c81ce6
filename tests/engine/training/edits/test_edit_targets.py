from __future__ import annotations

from dataclasses import replace

import numpy as np

from midspan_engine.decoding.edit_prompt import EditWindow, Marks
from midspan_engine.training.edits.samples import EditSample
from midspan_engine.training.edits.targets import (
    EditSettings,
    cut_after_change,
    encode_edit,
    shrunk,
)

MARKS = Marks(file=1, prefix=2, suffix=3, middle=4, pad=5, end=6)
SETTINGS = EditSettings(copy_weight=0.1, decision_weight=0.7)
SAMPLE = EditSample(
    kind="rename-local",
    language="python",
    path="a.py",
    history=(("a.py", "-a\n+b\n"),),
    before="",
    original="keep old keep\n",
    updated="keep new keep\n",
    after="",
)


def _encode(text: str) -> list[int]:
    return [10 + sum(map(ord, word)) for word in text.split(" ")]


def test_changed_tokens_and_what_follows_them_weigh_fully() -> None:
    edit = encode_edit(SAMPLE, SETTINGS, _encode, MARKS)
    assert edit.changed.tolist() == [False, True, False, False]
    # The first decides that there is an edit; the one behind the change finds the way back.
    np.testing.assert_allclose(edit.weights, [0.7, 1.0, 1.0, 1.0])
    longer = replace_texts("a b c d e f\n", "a b X d e f\n")
    weights = encode_edit(longer, SETTINGS, _encode, MARKS).weights
    np.testing.assert_allclose(weights, [0.7, 0.1, 1, 1, 0.1, 0.1, 1])


def replace_texts(original: str, updated: str) -> EditSample:
    return EditSample(
        kind=SAMPLE.kind, language="c", path="a.c", history=SAMPLE.history, before="", after="",
        original=original, updated=updated,
    )  # fmt: skip


def test_no_edit_is_one_token() -> None:
    edit = encode_edit(replace_texts("same\n", "same\n"), SETTINGS, _encode, MARKS)
    assert edit.quiet
    assert edit.targets.tolist() == [MARKS.end]
    np.testing.assert_allclose(edit.weights, [0.7])
    assert edit.start == len(edit.ids) - 1
    assert edit.ids[-1] == MARKS.middle


def test_a_region_of_which_nothing_is_left_is_not_taught_as_no_edit() -> None:
    edit = encode_edit(replace_texts("a b\n", ""), SETTINGS, _encode, MARKS)
    assert not edit.quiet
    assert edit.targets.tolist() == [*_encode("\n"), MARKS.end]


def test_the_prompt_ends_where_the_answer_begins() -> None:
    edit = encode_edit(SAMPLE, SETTINGS, _encode, MARKS)
    assert edit.ids[edit.start] == MARKS.middle
    assert edit.ids[edit.region] == MARKS.pad
    sections = encode_edit(SAMPLE, replace(SETTINGS, layout="sections"), _encode, MARKS)
    assert sections.ids[sections.region] == MARKS.prefix
    assert edit.ids[edit.start + 1 :].tolist() == edit.targets[:-1].tolist()
    assert edit.targets[-1] == MARKS.end


def test_a_cut_answer_keeps_the_change_and_little_more() -> None:
    sample = replace_texts("a X " + "c " * 20 + "\n", "a b " + "c " * 20 + "\n")
    whole = encode_edit(sample, SETTINGS, _encode, MARKS)
    cut = cut_after_change(whole)
    assert len(cut.targets) == 6
    assert cut.start == whole.start
    assert cut.targets.tolist() == whole.targets[:6].tolist()
    assert cut.ids[cut.start + 1 :].tolist() == cut.targets[:-1].tolist()


def test_an_answer_that_is_short_or_silent_is_not_cut() -> None:
    for sample in (SAMPLE, replace_texts("same\n", "same\n")):
        edit = encode_edit(sample, SETTINGS, _encode, MARKS)
        assert cut_after_change(edit) is edit


def test_training_sees_windows_of_many_sizes_and_none_larger() -> None:
    window = EditWindow()
    drawn = [shrunk(window, np.random.default_rng(seed)) for seed in range(50)]
    assert max(one.before for one in drawn) <= window.before
    assert min(one.before for one in drawn) < window.before / 3
    assert all(one.history >= window.newest for one in drawn)
    small = replace(window, before=8, after=8)
    assert shrunk(small, np.random.default_rng(0)).before == 8
