"""Arguments of the application."""

from __future__ import annotations

import pytest

from midspan_engine.scale.settings import SettingsUnusable, read_adapters, read_settings


def test_a_command_line_gives_strings_and_numbers_are_read_from_them() -> None:
    settings = read_settings({"cpus": "0.5", "most_replicas": "3", "runtime": "torch"})
    assert (settings.cpus, settings.most_replicas, settings.runtime) == (0.5, 3, "torch")


@pytest.mark.parametrize(
    ("args", "said"),
    [({"replicas": 2}, "replicas"), ({"cpus": "many"}, "cpus"), ({"runtime": "tpu"}, "runtime")],
)
def test_a_wrong_argument_is_refused_by_name(args: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsUnusable, match=said):
        read_settings(args)


def test_threads_follow_the_processors_that_a_replica_has() -> None:
    assert read_settings({"cpus": 4}).engine(read_adapters({})).threads == 4
    assert read_settings({"cpus": 0.5}).engine(read_adapters({})).threads == 1
    assert read_settings({"cpus": 4, "threads": 3}).engine(read_adapters({})).threads == 3


def test_the_adapters_are_what_user_config_says() -> None:
    config = read_settings({}).engine(read_adapters({"infill": "none", "adapter": "/a"}))
    assert (config.infill, config.adapter) == ("none", "/a")
    with pytest.raises(SettingsUnusable, match="lora"):
        read_adapters({"lora": "x"})
