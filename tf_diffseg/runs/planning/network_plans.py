"""Networks and patches for a data set, in the order in which they are tried."""

import dataclasses
import math

from tf_diffseg.runs.device_share import examples_of_device
from tf_diffseg.runs.planning.coarse_features import (
    of_features,
    patch_sizes,
    smallest_class_mm,
)
from tf_diffseg.runs.planning.patches import patch_candidates
from tf_diffseg.runs.planning.resolutions import assumed_spacing
from tf_diffseg.runs.train_config import TrainConfig

FINEST_CHANNELS, MOST_CHANNELS = 16, 128


class NetworkPlans:
    """What a network for a data set may be.

    Args:
        manifest: `Manifest` with a fingerprint.
        given: dict of values of `TrainConfig` that stay as they are.
        num_devices: devices that share a batch.

    Attributes:
        spacing_mm: (x, y, z) of a voxel, to plan by.
        doubt: what is said of headers whose spacing cannot be true, or an empty text.
        wanted: (x, y, z) voxels of the patch to be had if memory and time allow.
        origin: where this shape is from.
        patch_sizes: list of (x, y, z), voxels of a feature, the finest first.
    """

    def __init__(self, manifest, given, num_devices=1):
        self._given = given
        self._num_devices = num_devices
        claimed_mm = (
            manifest.preprocessing["spacing_mm"]
            or manifest.fingerprint["spacing_mm"]["median"]
        )
        median = _median_shape(manifest, claimed_mm)
        self.wanted, self.origin = _wanted_patch(manifest, given, median)
        self.spacing_mm = assumed_spacing(median, claimed_mm)
        self.doubt = _doubt(claimed_mm, self.spacing_mm)
        # Volumes are by the headers.
        as_claimed = smallest_class_mm(manifest.fingerprint.get("class_ml"))
        larger = math.prod(self.spacing_mm) / math.prod(claimed_mm)
        self.patch_sizes = self._patch_sizes(as_claimed * larger ** (1.0 / 3.0))

    def _patch_sizes(self, smallest_mm):
        if "patch_size" in self._given:
            return [tuple(self._given["patch_size"])]
        if "patch_shape" in self._given:
            return [(1, 1, 1)]
        return patch_sizes(self.wanted, self.spacing_mm, smallest_mm)

    def attempts(self):
        """Sizes of features in the order in which to try them.

        Coarser features come before a patch that is cut for the time, and finer ones
        again if the coarsest do not fit into memory.

        Returns:
            List of (patch_size, whether patches may be cut for the time).
        """
        *finer, coarsest = self.patch_sizes
        return [
            *((size, False) for size in finer),
            (coarsest, True),
            *((size, True) for size in reversed(finer)),
        ]

    def features_mm(self, patch_size):
        """(x, y, z) of a feature of so many voxels."""
        return times_each(self.spacing_mm, patch_size)

    def configs(self, config, patch_size):
        """Yields configs whose features have so many voxels, each needs less memory.

        Args:
            config: `TrainConfig` with the other values.
            patch_size: of `patch_sizes`.
        """
        given_levels = self._given.get("num_channels") or self._given.get("num_blocks")
        candidates = patch_candidates(
            of_features(self.wanted, patch_size),
            self.features_mm(patch_size),
            len(given_levels) if given_levels else None,
        )
        if "patch_shape" in self._given:
            candidates = [next(candidates)]
        for features, resolutions in candidates:
            values = _network_values(self._given, resolutions)
            values["patch_size"] = patch_size
            values["patch_shape"] = times_each(features, patch_size)
            whole = dataclasses.replace(config, **values | self._given)
            yield whole
            of_device = examples_of_device(whole, self._num_devices)
            if "accumulation_steps" not in self._given and of_device > 1:
                yield dataclasses.replace(whole, accumulation_steps=of_device)


def _median_shape(manifest, spacing_mm):
    """(x, y, z) voxels of the median case, before it has the `volume_shape`."""
    is_cropped = manifest.preprocessing.get("crop_to_foreground", False)
    # Earlier versions did not measure what is left of a case.
    is_cropped &= "bright_mm" in manifest.fingerprint
    extent_mm = manifest.fingerprint["bright_mm" if is_cropped else "extent_mm"]
    extent_mm = extent_mm["median"]
    return tuple(
        max(1, round(mm / step)) for mm, step in zip(extent_mm, spacing_mm, strict=True)
    )


def _wanted_patch(manifest, given, median):
    """((x, y, z) voxels, where they are from)."""
    if "patch_shape" in given:
        return tuple(given["patch_shape"]), "given"
    if volume_shape := manifest.preprocessing["volume_shape"]:
        return tuple(volume_shape), "the whole volume"
    return median, f"the median case, {'x'.join(map(str, median))}"


def _doubt(claimed_mm, assumed_mm):
    axes = [
        f"{axis} {mm:.3g} mm"
        for axis, mm, assumed in zip("xyz", claimed_mm, assumed_mm, strict=True)
        if mm != assumed
    ]
    if not axes:
        return ""
    return f", assumed: the headers' {', '.join(axes)} would be a very flat volume"


def _network_values(given, resolutions):
    num_levels = len(resolutions.kernel_sizes)
    channels = given.get("num_channels") or tuple(
        min(FINEST_CHANNELS * 2**level, MOST_CHANNELS) for level in range(num_levels)
    )
    # At half of the resolution and below, half as wide as the image's branch.
    branches = TrainConfig(
        mask_branch=channels[:2], mask_output="logits", deep_supervision=2
    ).with_values(**given | {"num_channels": channels})
    return {
        "num_channels": channels,
        "scale_factor": _shortest_form(resolutions.scale_factors, (2, 2, 2)),
        "kernel_size": _shortest_form(resolutions.kernel_sizes, (3, 3, 3)),
        "mask_branch": branches.mask_branch,
        "mask_output": branches.mask_output,
        "deep_supervision": branches.deep_supervision,
    }


def _shortest_form(triples, usual):
    """One triple if all are the usual one, which is easier to read."""
    return usual if set(triples) <= {usual} else triples


def times_each(sizes, factors):
    """The products of each axis, (x, y, z)."""
    return tuple(size * by for size, by in zip(sizes, factors, strict=True))
