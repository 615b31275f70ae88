"""Measure the speed of the project and of similar projects, for example by `python -m benchmarks sampling`."""
