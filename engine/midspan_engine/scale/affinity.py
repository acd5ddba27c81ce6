"""Which replica serves a session, decided alike by everybody who knows the live replicas.

Rendezvous hashing (Thaler and Ravishankar, 1998): each pair of session and replica has a score, and
the session belongs to the highest. When a replica goes, only its own sessions move, each to its own
second choice; when one comes, it takes an equal share from all. Load overrules that, as in
consistent hashing with bounded loads (Mirrokni et al., 2016).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SPILL = 7
"""A cold request costs what seven warm ones cost (863 and 113 ms, bench/LOG.md), so a session is
better off waiting for its cache until so many more requests stand before it than elsewhere."""


def by_preference(session: str, replicas: Iterable[str]) -> list[str]:
    """Replicas, the one that the session belongs to first."""
    return sorted(replicas, key=lambda replica: _score(session, replica), reverse=True)


def in_order(session: str, loads: Mapping[str, int], *, spill: int = SPILL) -> list[str]:
    """Replicas in the order in which to try them.

    Args:
        session: "" for a request that no cache helps: the emptiest replica is best.
        loads: Requests that each replica has now.
        spill: A replica with more requests than the emptiest plus this comes after all others.
    """
    if not session:
        return sorted(loads, key=lambda replica: (loads[replica], replica))
    most = min(loads.values(), default=0) + spill
    ranked = by_preference(session, loads)
    fit = [replica for replica in ranked if loads[replica] <= most]
    full = [replica for replica in ranked if loads[replica] > most]
    return fit + sorted(full, key=loads.__getitem__)


def session_of(*, key: str, named: str, user: str, address: str) -> str:
    """The session of a request, as far as it says which; no secret can be read from it.

    Args:
        key: What the client showed as its key; sessions of different keys are different.
        named: Header `X-Session-Id`.
        user: Field `user` of the body, if there is no such header.
        address: Of the client, if there is neither.
    """
    parts = "\0".join((key, "named" if named else "user" if user else "address"))
    text = f"{parts}\0{named or user or address}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def _score(session: str, replica: str) -> bytes:
    text = f"{session}\0{replica}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
