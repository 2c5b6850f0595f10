"""Entry points: train, evaluate, export, segment, benchmark, demo."""
