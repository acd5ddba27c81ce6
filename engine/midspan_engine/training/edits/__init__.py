"""The edit adapter: its data, its prompt and its task."""
