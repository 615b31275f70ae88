"""What several benchmarks measure: a served app, and other libraries. No benchmark, and nothing of the machine."""
