"""Which licences the training text may carry."""

from __future__ import annotations

import re

_PERMISSIVE = {
    "0bsd", "apache", "blueoak", "bsd", "bsl", "cc0", "expat", "hpnd", "isc", "mit", "psf",
    "python", "unlicense", "zlib", "zpl",
}  # fmt: skip
_REFUSED = re.compile(
    r"\b(a?gpl|lgpl|gnu|mpl|mozilla|epl|eclipse|cddl|eupl|proprietary|commercial|sspl|"
    r"cc-by-nc|unlicensed|see license)",
    re.IGNORECASE,
)
_SPDX_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def is_permissive(licence: str) -> bool:
    """Whether every licence that `licence` names (all of one OR branch) is a permissive one.

    Args:
        licence: an SPDX expression, a trove classifier or the free text packages carry.
    """
    text = licence.replace("License ::", " ").replace("OSI Approved", " ")
    return any(_all_permissive(branch) for branch in re.split(r"\b[Oo][Rr]\b", text))


def _all_permissive(text: str) -> bool:
    if _REFUSED.search(text):
        return False
    words = {word.lower() for word in _SPDX_WORD.findall(text)}
    families = {re.split(r"[-\d]", word)[0] or word for word in words}
    return bool((families | words) & _PERMISSIVE)
