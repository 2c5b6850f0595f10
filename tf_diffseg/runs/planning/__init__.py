"""Chooses the values of a training run by data, memory and time."""
