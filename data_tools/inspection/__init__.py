"""Looks at data sets, shards and augmentation."""
