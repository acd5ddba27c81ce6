"""locust, a load tester that we did not write, types against the real HTTP server."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from http_client import own_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from http_client import ServeProcess

LOCUSTFILE = Path(__file__).resolve().parents[2] / "bench" / "locust_typists.py"


@pytest.fixture(scope="module")
def nano() -> Iterator[ServeProcess]:
    with own_server(["--model", "midspan-nano"]) as server:
        yield server


@pytest.mark.slow
def test_eight_typists_on_every_interface_get_their_answers(
    nano: ServeProcess, tmp_path: Path
) -> None:
    figures = tmp_path / "load"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"),
            *("-u", "8", "-r", "8", "-t", "12s", "--stop-timeout", "20"),
            *("--host", f"http://127.0.0.1:{nano.port}", "--csv", str(figures)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "load_stats.csv").open(encoding="utf-8") as opened:
        rows = {row["Name"]: row for row in csv.DictReader(opened)}
    assert set(rows) == {
        *("/v1/completions", "/v1/completions (stream)", "/v1/fim/completions", "/infill"),
        "Aggregated",
    }
    assert all(int(row["Request Count"]) > 0 for row in rows.values())
    assert rows["Aggregated"]["Failure Count"] == "0"
    assert nano.waiting() == 0
