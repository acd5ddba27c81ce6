"""The resident process: a Unix socket in front of one engine thread."""
