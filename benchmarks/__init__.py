"""Measure how fast the project and its peers are: `python -m benchmarks sampling`."""
