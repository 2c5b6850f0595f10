"""Trains variants of one run, each for several seeds, and compares them."""
