"""Scores of trained models: of a case, of a run, of runs against each other."""
