"""Segmentation of scans by a run or by an export."""
