from __future__ import annotations

import pytest
from candidates import MEMORY_BYTES, Candidates, passes


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("assert 1 + 1 == 2\n", True),
        ("assert 1 + 1 == 3\n", False),
        ("def f(:\n", False),
        ("raise SystemExit(3)\n", False),
        (f"x = bytearray({MEMORY_BYTES})\n", False),
        ("import pathlib\npathlib.Path('here').write_text('fine')\n", True),
        ("open('large', 'wb').write(bytes(1 << 21))\n", False),
    ],
)
def test_a_program_passes_when_it_ends_well_within_its_limits(source: str, right: bool) -> None:
    assert passes(source) is right


def test_a_program_that_waits_forever_is_ended() -> None:
    assert not passes("import time\ntime.sleep(600)\n", wall_s=0.5)


def test_equal_programs_run_once() -> None:
    candidates = Candidates()
    assert candidates.submit("pass\n") is candidates.submit("pass\n")
    candidates.close()
