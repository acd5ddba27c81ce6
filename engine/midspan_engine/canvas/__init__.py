"""Decoding of canvas models: prefix, masks and suffix, every place seeing every other."""
