from __future__ import annotations

import pytest

from midspan_server.configuration import merged, section


@pytest.mark.parametrize(
    ("options", "ours"),
    [
        ({"midspan": {"enabled": False}, "other": 1}, {"enabled": False}),
        ({"enabled": False}, {"enabled": False}),
        ({"midspan": None}, None),
        ({}, None),
        ({"python": {"analysis": {}}}, None),
        ({"midspan": {}, "python": {}}, None),
        (None, None),
        ("nonsense", "nonsense"),
    ],
)
def test_our_part_of_what_a_client_sends(options: object, ours: object) -> None:
    assert section(options) == ours


def test_what_is_pushed_lies_over_what_was_said_at_the_start() -> None:
    base = {"effort": "draft", "engine": {"autostart": False, "socket": "/a"}}
    over = {"threshold": 0.1, "engine": {"socket": "/b"}}
    assert merged(base, over) == {
        "effort": "draft",
        "threshold": 0.1,
        "engine": {"autostart": False, "socket": "/b"},
    }
    assert merged(base, None) == base
    assert merged(None, over) == over
    assert merged(base, "nonsense") == "nonsense"
