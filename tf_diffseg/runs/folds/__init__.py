"""Runs on folds of the data: cross-validation."""
