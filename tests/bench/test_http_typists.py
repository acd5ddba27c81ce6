"""A recording becomes what each typist sends."""

from __future__ import annotations

from typing import Any

from http_typists import keys

LOG: list[dict[str, Any]] = [
    {"kind": "documentEncountered", "id": 1, "relativePath": "src\\a.py", "time": 0},
    {"kind": "setContent", "id": 1, "content": "x = 🙂\nend\n", "time": 1},
    {"kind": "changed", "id": 1, "edit": [[6, 6, "1"]], "time": 1000},
    {"kind": "changed", "id": 1, "edit": [[7, 7, "2"]], "time": 1200},
    {"kind": "changed", "id": 1, "edit": [[0, 1, "y"], [2, 3, ":="]], "time": 1300},
    {"kind": "changed", "id": 1, "edit": [[9, 9, "3"]], "time": 9000},
]


def test_keys_have_the_text_around_the_change_and_its_pause() -> None:
    found = keys(LOG)
    assert [(key.path, key.prefix, key.suffix) for key in found] == [
        ("src/a.py", "x = 🙂1", "\nend\n"),
        ("src/a.py", "x = 🙂12", "\nend\n"),
        ("src/a.py", "y := 🙂123", "\nend\n"),
    ]
    # What several places at once changed was no keystroke, and nobody pauses for ever.
    assert [key.after_s for key in found[1:]] == [0.2, 1.5]
