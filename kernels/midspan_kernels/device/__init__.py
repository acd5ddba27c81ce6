"""Triton kernels and what launches them. Import needs Triton; callers go through the package."""
