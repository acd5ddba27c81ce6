"""Plain-torch twins: the definition that each kernel is compared with, and the CPU's path."""
