from __future__ import annotations

import pytest

from midspan_server.configuration import section


@pytest.mark.parametrize(
    ("options", "ours"),
    [
        ({"midspan": {"enabled": False}, "other": 1}, {"enabled": False}),
        ({"enabled": False}, {"enabled": False}),
        ({"midspan": None}, None),
        ({}, None),
        (None, None),
        ("nonsense", "nonsense"),
    ],
)
def test_our_part_of_what_a_client_sends(options: object, ours: object) -> None:
    assert section(options) == ours
