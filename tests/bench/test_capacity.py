"""The model of cost, where it can be checked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from capacity import BUSY, Model, Work, cpu, need, tables

DOCS = Path(__file__).resolve().parents[2] / "docs" / "capacity.md"


def test_the_documented_tables_are_what_the_script_prints() -> None:
    assert "\n".join(tables(Work(), Model(), BUSY)) in DOCS.read_text(encoding="utf-8")


def test_four_that_type_get_the_tokens_a_second_that_were_measured() -> None:
    work = Work()
    assert 1e3 / cpu(work).typed_ms(work) * work.tokens == pytest.approx(152)


def test_a_cache_element_of_half_the_size_halves_the_cache_of_a_token() -> None:
    assert Model().cache_bytes(4) == 24_576
    assert Model().cache_bytes(2) == 12_288


def test_a_replica_is_limited_by_time_or_by_memory_whichever_is_less() -> None:
    work, model = Work(), Model()
    by_time = need(cpu(work), work, model, BUSY)
    assert need(cpu(work), work, model, BUSY / 2).at_work == pytest.approx(by_time.at_work / 2)
    small = replace(cpu(work), memory_gb=0.9 + 0.5)
    by_memory = need(small, work, model, BUSY)
    assert by_memory.cache_gb == pytest.approx(0.5)
    assert need(small, work, model, 1.0).at_work == by_memory.at_work


def test_twice_the_developers_need_about_twice_the_replicas_and_one_needs_one() -> None:
    work = Work()
    each = need(cpu(work), work, Model(), BUSY)
    assert each.replicas(1, work) == 1
    assert each.replicas(200_000, work) == pytest.approx(2 * each.replicas(100_000, work), abs=1)
