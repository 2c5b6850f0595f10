"""Devices and workers: one batch over all of them, as on one."""
