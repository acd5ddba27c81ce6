from __future__ import annotations

from places import PREFIX_CHARACTERS, SUFFIX_CHARACTERS, places, source_of


def test_places_are_spread_over_the_modules_and_have_full_contexts() -> None:
    found = places(24)
    assert len(found) == 24
    assert len({place.module for place in found}) >= 8
    assert {len(place.before) for place in found} == {PREFIX_CHARACTERS}
    assert {len(place.after) for place in found} == {SUFFIX_CHARACTERS}


def test_what_is_typed_is_what_the_author_wrote() -> None:
    place = places(5)[2]
    assert place.before + place.typed + place.after in source_of(place.module)
    assert "\n" not in place.typed


def test_typing_lengthens_the_prefix_only() -> None:
    place = places(3)[1]
    cold, later = (place.request(number=k, session="s", keys=k) for k in (0, 2))
    assert later.prefix == cold.prefix + place.typed[:2]
    assert later.suffix == cold.suffix
