"""Syntax trees of documents, by tree-sitter. A file without a grammar simply has none."""

from __future__ import annotations

from midspan_server.syntax.documents import forget, parse
from midspan_server.syntax.languages import LanguageProfile, profile
from midspan_server.syntax.lines import zone_at, zone_by_line
from midspan_server.syntax.tree import Syntax, Zone

__all__ = [
    "LanguageProfile",
    "Syntax",
    "Zone",
    "forget",
    "parse",
    "profile",
    "zone_at",
    "zone_by_line",
]
