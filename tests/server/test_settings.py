from __future__ import annotations

import pytest

from midspan_server.settings import DEFAULT_THRESHOLD, ContextSettings, Settings, decode_settings


def test_nothing_sent_means_the_defaults() -> None:
    assert decode_settings(None).settings == decode_settings({}).settings == Settings()


def test_keys_are_camel_case_and_nested() -> None:
    decoded = decode_settings(
        {"maxLineTokens": 10, "context": {"prefixChars": 99}, "engine": {"autostart": False}}
    )
    assert decoded.problems == ()
    assert decoded.settings.max_line_tokens == 10
    assert decoded.settings.context == ContextSettings(prefix_chars=99)
    assert not decoded.settings.engine.autostart


@pytest.mark.parametrize(
    ("options", "key", "default"),
    [
        ({"threshold": 7}, "midspan.threshold", str(DEFAULT_THRESHOLD)),
        ({"threshold": "high"}, "midspan.threshold", str(DEFAULT_THRESHOLD)),
        ({"effort": "most"}, "midspan.effort", "verified"),
        ({"exclude": ["a", 1]}, "midspan.exclude", "[]"),
        ({"languages": {"go": 1}}, "midspan.languages.go", "true"),
        ({"context": {"snippets": "no"}}, "midspan.context.snippets", "true"),
        ({"context": 3}, "midspan.context", "prefixChars"),
        ([1, 2], "midspan", "enabled"),
        ({"exclude": ["!"]}, "midspan.exclude", "[]"),
        ({"forbid": ["("]}, "midspan.forbid", "[]"),
        ({"forbid": ["x*"]}, "midspan.forbid", "[]"),
        ({"forbid": ["x" * 1001]}, "midspan.forbid", "[]"),
        ({"context": {"prefixChars": 10**9}}, "midspan.context.prefixChars", "2000"),
        ({"budgetMs": 10**9}, "midspan.budgetMs", "2000"),
    ],
)
def test_a_bad_value_is_named_with_the_default_used(
    options: object, key: str, default: str
) -> None:
    [problem] = decode_settings(options).problems
    assert problem.key == key
    assert key in str(problem)
    assert default in str(problem)


def test_a_bad_value_costs_its_own_key_only() -> None:
    decoded = decode_settings(
        {"threshold": "x", "maxBlockTokens": 5, "languages": {"go": 1, "rust": False}}
    )
    assert decoded.settings.threshold == DEFAULT_THRESHOLD
    assert decoded.settings.max_block_tokens == 5
    assert decoded.settings.languages == {"go": True, "rust": False}


def test_a_bad_glob_is_named_and_the_others_stay() -> None:
    decoded = decode_settings({"exclude": ["*.sql", "[z-a]", "vendor/"]})
    assert decoded.settings.exclude == ("*.sql", "vendor/")
    [problem] = decoded.problems
    assert "'[z-a]'" in str(problem)


def test_the_allowed_words_are_told() -> None:
    [problem] = decode_settings({"effort": "most"}).problems
    assert "draft, balanced, verified" in str(problem)


def test_unknown_keys_are_listed_and_no_problem() -> None:
    decoded = decode_settings({"treshold": 1, "engine": {"sockets": ""}})
    assert decoded.problems == ()
    assert decoded.unknown == ("midspan.treshold", "midspan.engine.sockets")


def test_a_language_is_on_unless_it_or_everything_is_off() -> None:
    settings = Settings(languages={"go": False})
    assert settings.enabled_for("python")
    assert not settings.enabled_for("go")
    assert not Settings(enabled=False).enabled_for("python")


def test_one_switch_serves_all_languages_that_are_not_named() -> None:
    settings = Settings(languages={"*": False, "go": True})
    assert settings.enabled_for("go")
    assert not settings.enabled_for("python")
