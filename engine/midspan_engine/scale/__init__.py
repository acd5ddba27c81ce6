"""Many engines behind one address, on Ray Serve: `serve run midspan_engine.scale:app`."""

from __future__ import annotations

from midspan_engine.scale.application import app

__all__ = ["app"]
