from __future__ import annotations

import pytest

from midspan_engine.training.licences import is_permissive


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "BSD-3-Clause",
        "Apache-2.0 AND MIT",
        "License :: OSI Approved :: BSD License",
        "License :: OSI Approved :: Apache Software License",
        "Apache 2.0 License",
        "GPL-3.0-only OR MIT",
        "Expat or Apache-2.0",
        "PSF-2.0",
        "ISC",
    ],
)
def test_permissive(licence: str) -> None:
    assert is_permissive(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "UNKNOWN",
        "GPL-3.0-or-later",
        "LGPL-2.1",
        "AGPL-3.0",
        "MPL-2.0",
        "MIT AND GPL-2.0-only",
        "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "SEE LICENSE IN LICENSE.md",
        "UNLICENSED",
        "Proprietary",
        "CC-BY-NC-4.0",
    ],
)
def test_not_permissive(licence: str) -> None:
    assert not is_permissive(licence)
