"""How fast the project is next to its peers: `python -m benchmarks sampling`."""
