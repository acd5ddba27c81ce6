from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from midspan_server import counters as counters_module
from midspan_server.counters import Counters, Offer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _offer(name: str = "1") -> Offer:
    return Offer(
        id=name,
        language="python",
        characters=11,
        lines=2,
        confidence=0.5,
        latency_ms=30.25,
        source="engine",
        invoked=False,
    )


def _lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "counters.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_an_offer_is_counted_once_with_what_it_was(tmp_path: Path) -> None:
    counters = Counters(tmp_path / "state")
    counters.offered(_offer())
    counters.offered(_offer())
    [line] = _lines(tmp_path / "state")
    assert line["outcome"] == "offered"
    assert (line["language"], line["characters"], line["lines"]) == ("python", 11, 2)
    assert (line["confidence"], line["source"]) == (0.5, "engine")


def test_what_became_of_it_is_counted_with_how_much(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    counters.offered(_offer())
    assert counters.happened("partly_accepted", "1", 4)
    assert counters.happened("accepted", "1")
    assert [line.get("accepted_characters", 0) for line in _lines(tmp_path)] == [0, 4, 11]


def test_what_was_never_offered_is_not_counted(tmp_path: Path) -> None:
    assert not Counters(tmp_path).happened("accepted", "unknown")
    assert not (tmp_path / "counters.jsonl").exists()


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters_module, "_LIMIT_BYTES", 2_000)
    counters = Counters(tmp_path)
    for number in range(60):
        counters.offered(_offer(str(number)))
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"counters.jsonl", "counters.1.jsonl"}
    assert max(sizes.values()) < 2_500
    assert _lines(tmp_path)[-1]["id"] == "59"


def test_a_folder_that_cannot_be_written_is_warned_about_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    counters = Counters(tmp_path / "file" / "state")
    counters.offered(_offer("1"))
    counters.offered(_offer("2"))
    assert counters.happened("accepted", "1")
    assert len(caplog.records) == 1
