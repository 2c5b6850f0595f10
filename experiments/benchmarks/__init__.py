"""Benchmark suites, one in each file.

`run(repeats)` times each function `repeats` times and gives a dict of figures. Suites
of the input also take `data_dir`, a folder that data_tools.convert_nifti wrote, or
None.
"""
