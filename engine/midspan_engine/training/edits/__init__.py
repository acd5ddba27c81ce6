"""Next edits: samples of them, and the task that learns them."""
