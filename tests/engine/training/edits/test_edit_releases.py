from __future__ import annotations

import numpy as np
import pytest

from midspan_engine.training.edits.releases import (
    ReleaseMiner,
    is_noise,
    release_texts,
    revisions,
)


def _module(*lines: str) -> str:
    """Enough of a file to pass as written by people; the lines stand far from each other."""
    parts = []
    for number, line in enumerate(lines):
        parts += [f"def function_{number}(first, second):", f"    {line}"]
        parts += [f"    total_{number}_{step} = first + second" for step in range(30)]
    return "\n".join(parts) + "\n"


OLD = _module("return load(first)", "return load(second)", "return other(first)")
NEW = _module("return fetch(first)", "return fetch(second)", "return other(first)")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("call(a, b)\n", "call(\n    a,\n    b,\n)\n"),
        ("name = 'x'\n", 'name = "x"\n'),
        ('__version__ = "1.2.3"\n', '__version__ = "1.3.0"\n'),
        ("# Copyright 2024 The Authors\n", "# Copyright 2025 The Authors\n"),
    ],
)
def test_layout_versions_and_licence_lines_are_noise(old: str, new: str) -> None:
    assert is_noise(old, new)


def test_a_changed_number_is_no_noise() -> None:
    assert not is_noise("timeout = 10\n", "timeout = 30\n")


def test_noise_counts_as_done_before_the_first_change() -> None:
    old = 'VERSION = "1.0.0"\n' + OLD
    [revision] = revisions({"m.py": old}, {"m.py": 'VERSION = "1.1.0"\n' + NEW})
    assert revision.old.startswith('VERSION = "1.1.0"\n')
    assert [change.text for change in revision.changes] == [
        "    return fetch(first)\n",
        "    return fetch(second)\n",
    ]
    assert revision.new == 'VERSION = "1.1.0"\n' + NEW


def test_a_rewritten_file_is_passed_over() -> None:
    other = _module("a = 1", "b = 2", "c = 3").replace("total", "sums").replace("first", "left")
    assert revisions({"m.py": OLD}, {"m.py": other}) == []


def test_a_change_that_follows_from_an_earlier_one_becomes_a_sample() -> None:
    miner = ReleaseMiner(revisions({"m.py": OLD}, {"m.py": NEW}), np.random.default_rng(1))
    [sample] = [sample for sample in miner.samples() if not sample.quiet]
    assert sample.history[-1][0] == "m.py"
    assert "-    return load(first)\n+    return fetch(first)\n" in sample.history[-1][1]
    assert "return load(second)" in sample.original
    assert "return fetch(second)" in sample.updated


def test_a_change_in_another_file_is_history_too() -> None:
    old = {"m.py": _module("return load(first)"), "n.py": _module("return load(second)")}
    new = {"m.py": _module("return fetch(first)"), "n.py": _module("return fetch(second)")}
    samples = list(ReleaseMiner(revisions(old, new), np.random.default_rng(1)).samples())
    changed = {sample.path: sample for sample in samples if not sample.quiet}
    assert changed["n.py"].history[0][0] == "m.py"
    assert changed["m.py"].history[0][0] == "n.py"


def test_a_change_that_follows_from_nothing_is_no_target() -> None:
    new = _module("return load(first, 1)", "return load(second)", "return entirely_new(first)")
    miner = ReleaseMiner(revisions({"m.py": OLD}, {"m.py": new}), np.random.default_rng(1))
    assert [sample for sample in miner.samples() if not sample.quiet] == []


def test_comments_alone_are_no_target() -> None:
    old = _module("# load it", "# load it again", "pass")
    new = _module("# fetch it", "# fetch it again", "pass")
    miner = ReleaseMiner(revisions({"m.py": old}, {"m.py": new}), np.random.default_rng(1))
    assert [sample for sample in miner.samples() if not sample.quiet] == []


def test_quiet_regions_have_a_history_and_nothing_left_to_do() -> None:
    found = []
    for seed in range(6):
        miner = ReleaseMiner(revisions({"m.py": OLD}, {"m.py": NEW}), np.random.default_rng(seed))
        found += [sample for sample in miner.samples() if sample.quiet]
    assert found
    assert all(sample.history for sample in found)
    assert not any("load(second)" in s.original and "fetch" in s.updated for s in found)


def test_only_files_that_people_wrote_are_compared() -> None:
    members = [
        ("package/src/a.ts", OLD),
        ("package/lib/a.js", OLD),
        ("package/dist/b.ts", OLD),
        ("package/src/made.ts", "// @generated\n" + OLD),
    ]
    assert list(release_texts(members)) == ["src/a.ts"]
    assert list(release_texts([("name-1.2.0/name/a.py", OLD)])) == ["name/a.py"]
