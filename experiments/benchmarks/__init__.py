"""Benchmark suites, one in each file: `run(repeats)` gives a dict of figures."""
