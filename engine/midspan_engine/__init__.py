"""The resident engine: models, decoding, cache and service. The wire is in `protocol`."""

__version__ = "0.1.0"
