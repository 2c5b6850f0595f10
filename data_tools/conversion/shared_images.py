"""Cases that have the same image: in two splits, a test would know what was trained."""

import collections
import hashlib
import json

import numpy as np

from tf_diffseg.text import shown
from tf_diffseg.volumes.volume_files import read_image


def voxel_digest(arrays, dtype):
    """Digest of voxels as `dtype`, whatever type their files have."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array, dtype))
    return digest.hexdigest()


def shared_image_message(case, split, first, first_split):
    """One line that tells which case has the image of which, and where they are."""
    message = (
        f"case {shown(case.uid)}: its image has the voxels of case {shown(first.uid)}"
    )
    if split == first_split:
        return message
    return f"{message}, but is in the split {split}, that one in {first_split}"


def cases_with_one_image(cases, split_of, measures):
    """Finds cases that have the image of a case before them.

    Args:
        cases: of `dataset.Case`; of those with one image the first one's split counts.
        split_of: dict from uid to split.
        measures: dict from uid to `case_statistics.CaseMeasures`.

    Returns:
        Dict from uid to a pair: a line that says so, and whether the two cases are in
        two splits.

    Raises:
        InputError: if an image cannot be read any more.
    """
    alike = collections.defaultdict(list)
    for case in cases:
        of = measures[case.uid]
        alike[json.dumps([of.source_shape, of.intensity])].append(case)
    messages = {}
    for group in alike.values():
        if len(group) == 1:
            continue
        # Figures of two images hardly ever agree to the last digit, so few are read.
        first_of = {}
        for case in group:
            digest = voxel_digest([read_image(case.image_paths).array], np.float32)
            first = first_of.setdefault(digest, case)
            if case is first:
                continue
            splits = split_of[case.uid], split_of[first.uid]
            message = shared_image_message(case, splits[0], first, splits[1])
            messages[case.uid] = message, splits[0] != splits[1]
    return messages


def shared_label_message(case, first):
    """One line that tells which case has the label map of which."""
    return (
        f"case {shown(case.uid)}: its label has the voxels of case {shown(first.uid)}"
    )


def cases_with_one_label(cases, measures):
    """Finds cases that have the label map of a case before them, by name.

    Args:
        cases: of `dataset.Case`.
        measures: dict from uid to `case_statistics.CaseMeasures`.

    Returns:
        Dict from uid to a line that says so.
    """
    messages, first_of = {}, {}
    for case in sorted(cases, key=lambda case: case.uid):
        digest = measures[case.uid].label_sha256
        first = case if digest is None else first_of.setdefault(digest, case)
        if first is not case:
            messages[case.uid] = shared_label_message(case, first)
    return messages
