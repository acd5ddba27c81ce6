"""Loads Ray where its own warnings do not count as ours."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings(
        "ignore", "Using extra keyword arguments on `Field`", DeprecationWarning
    )
    import ray.serve  # noqa: F401
