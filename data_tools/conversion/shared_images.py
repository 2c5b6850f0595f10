"""Finds cases with the same voxels: training images must not be in other splits."""

import collections
import json

import numpy as np

from data_tools.conversion.case_findings import shared_image, shared_label
from tf_diffseg.volumes.volume_files import read_image
from tf_diffseg.volumes.voxels import voxel_digest


def cases_with_one_image(cases, measures):
    """Finds cases that have the image of an earlier case, by a dict of their measures.

    Returns:
        `(warnings, errors)`: lists of `Problem`; errors if the two splits differ.

    Raises:
        InputError: if an image can no longer be read.
    """
    alike = collections.defaultdict(list)
    for case in cases:
        of_case = measures[case.uid]
        alike[json.dumps([of_case.source_shape, of_case.intensity])].append(case)
    warnings, errors = [], []
    for group in alike.values():
        if len(group) == 1:
            continue
        # The figures of two images rarely agree to the last digit, so few are read.
        first_of = {}
        for case in group:
            digest = voxel_digest([read_image(case.image_paths).array], np.float32)
            first = first_of.setdefault(digest, case)
            if case is not first:
                is_split = case.split != first.split
                (errors if is_split else warnings).append(shared_image(case, first))
    return warnings, errors


def cases_with_one_label(cases, measures):
    """List of a `Problem` for each case with the label map of one of lower uid."""
    problems, first_of = [], {}
    for case in sorted(cases, key=lambda case: case.uid):
        digest = measures[case.uid].label_sha256
        first = case if digest is None else first_of.setdefault(digest, case)
        if first is not case:
            problems.append(shared_label(case, first))
    return problems
