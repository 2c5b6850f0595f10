"""Checks of batches of images and labels."""
