"""Benchmark suites, one a file: `run(repeats)` gives a dict of figures."""
