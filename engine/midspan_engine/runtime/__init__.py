"""Runtimes: the network behind one interface, `rows.Runtime`. None imports torch unasked."""

from midspan_engine.runtime.choice import (
    RuntimeMissing,
    RuntimeName,
    create_canvas_runtime,
    create_runtime,
)
from midspan_engine.runtime.rows import RowGroup, RowScores, Runtime

__all__ = [
    "RowGroup",
    "RowScores",
    "Runtime",
    "RuntimeMissing",
    "RuntimeName",
    "create_canvas_runtime",
    "create_runtime",
]
