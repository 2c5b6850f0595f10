"""What a network tells apart: classes, or regions made of them."""

import dataclasses
import math

from tf_diffseg.errors import InputError


@dataclasses.dataclass(frozen=True)
class Targets:
    """The outputs of a network and what they mean in a label map.

    Attributes:
        names: name of class 0, usually "background", then the name of each target.
        class_ids: for each target except background, the class ids that it consists of.
        region_labels: if targets overlap, the class id that each is written as, see
            `tf_diffseg.diffusion.probabilities_to_label`; otherwise None.
    """

    names: list[str]
    class_ids: list[tuple[int, ...]]
    region_labels: list[int] | None = None

    @property
    def num_outputs(self):
        """Channels of the network's mask; without background if targets overlap."""
        return len(self.names) - (self.region_labels is not None)

    @property
    def regions(self):
        """The `regions` of `DiffusionUNet3D`."""
        return None if self.region_labels is None else self.class_ids

    @property
    def written_regions(self):
        """`regions` of `PostProcessing`, empty if targets do not overlap."""
        if self.region_labels is None:
            return ()
        return tuple(zip(self.region_labels, self.class_ids, strict=True))

    @property
    def largest_entropy(self):
        """Entropy of the most uncertain voxel, in nats."""
        if self.region_labels is None:
            return math.log(self.num_outputs)
        return self.num_outputs * math.log(2.0)

    def frequencies(self, class_frequencies):
        """Share of voxels of each output, from the share of each class."""
        if self.region_labels is None:
            return class_frequencies
        return [sum(class_frequencies[i] for i in ids) for ids in self.class_ids]


def targets_of(config, manifest):
    """Makes `Targets` of a `TrainConfig` and a `Manifest`.

    Raises:
        InputError: the config asks for overlapping targets, but the data declare none.
    """
    if config.mask_encoding == "overlapping" and not manifest.regions:
        raise InputError(
            f"mask_encoding=overlapping: the data set {manifest.dataset} declares no "
            "regions, expected such as nnU-Net's dataset.json has",
            argument="mask_encoding",
        )
    if config.mask_encoding == "exclusive" or not manifest.regions:
        classes: list[tuple[int, ...]] = [(i,) for i in range(1, manifest.num_classes)]
        return Targets(manifest.class_names, classes)
    id_of = {value: index for index, value in enumerate(manifest.label_values)}
    regions = manifest.regions
    return Targets(
        [manifest.class_names[0]] + [region["name"] for region in regions],
        [tuple(id_of[value] for value in region["label_values"]) for region in regions],
        [id_of[region["written_value"]] for region in regions],
    )
