"""Other people's models behind the editor: HTTP backends, with the local engine to fall back to."""
