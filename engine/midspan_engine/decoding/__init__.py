"""Decoding: prompts, the canvas, unmask policies, drafts, and the task that ties them together."""
