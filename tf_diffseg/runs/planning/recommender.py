"""Chooses the values of a training run by the data."""

import dataclasses
import math
from typing import NamedTuple

from tf_diffseg.data.remainder import Remainder
from tf_diffseg.errors import InputError
from tf_diffseg.runs.device_share import examples_of_device
from tf_diffseg.runs.planning.coarse_features import relative_cost
from tf_diffseg.runs.planning.gpus import visible_gpus
from tf_diffseg.runs.planning.machine import bfloat16_instructions, free_gib
from tf_diffseg.runs.planning.network_plans import (
    FINEST_CHANNELS,
    MOST_CHANNELS,
    NetworkPlans,
)
from tf_diffseg.runs.planning.patches import SMALLEST
from tf_diffseg.runs.planning.resolutions import ANISOTROPY
from tf_diffseg.runs.planning.run_length import (
    BATCH_SHARE,
    ENOUGH_STEPS,
    FEWEST_STEPS,
    MANY_STEPS,
    SMALL_BATCH,
    VALIDATIONS,
    WARMUP_SHARE,
    ema_momentum,
    epochs_in_time,
    patches_per_volume,
    steps_in_time,
    validations_in_time,
)
from tf_diffseg.runs.planning.sides import are_unnamed, class_of_one_side
from tf_diffseg.runs.planning.step_memory import step_gib
from tf_diffseg.runs.train_config import TrainConfig

_DEFAULT_GIB = 16.0
# Other programs need some of what is free.
_SHARE_OF_FREE = 0.8
_LEARNING_RATE = 3e-3
# From so many passes over each case on, a network remembers cases.
_MANY_PASSES = 40


class Choice(NamedTuple):
    """A value that was chosen.

    Attributes:
        name: of the value in `TrainConfig`.
        value: what was chosen.
        why: the reason, with the figure of the data that it goes by.
    """

    name: str
    value: object
    why: str


class Recommender:
    """Chooses the values that are not given.

    Args:
        manifest: `Manifest` of the converted data.
        memory_gib: memory of the training process on each device; None for 16, or less
            if less is free, or a GPU has less.
        given: dict of values of `TrainConfig` that stay as they are.
        most_voxels: largest patch with a feature in each voxel, such that time allows
            `ENOUGH_STEPS` steps; None for any.
        most_examples: largest batch, such that time allows many steps.
        num_devices: devices that share a batch.

    Attributes:
        config: the `TrainConfig`, complete after each method that chooses.
        choices: list of `Choice`s so far.

    Raises:
        InputError: the manifest has no fingerprint.
    """

    def __init__(
        self,
        manifest,
        memory_gib=None,
        given=None,
        most_voxels=None,
        most_examples=SMALL_BATCH,
        num_devices=1,
    ):
        if not manifest.fingerprint:
            raise InputError(
                f"the data set {manifest.dataset} has no fingerprint to choose values "
                "by; convert the data again, or name a `config`"
            )
        self._manifest = manifest
        self._given = dict(given or {})
        self._memory_gib = memory_gib or default_memory_gib()
        self._num_devices = num_devices
        self._plans = NetworkPlans(manifest, self._given, num_devices)
        self.config = TrainConfig(**self._given)
        self.choices = []
        self._most_voxels = most_voxels or math.inf
        self._most_examples = most_examples
        self._num_validations, self._validation = VALIDATIONS, ""

    @property
    def _num_cases(self):
        return len(self._manifest.split("train").uids)

    def _choose(self, name, value, why):
        if name in self._given:
            return
        self.config = dataclasses.replace(self.config, **{name: value})
        self.choices.append(Choice(name, value, why))

    def choose_network(self):
        """Chooses precision, patch, batch and the network's resolutions.

        Raises:
            InputError: not even the smallest patch fits into memory.
        """
        if why := _why_bfloat16():
            self._choose("precision", "mixed_bfloat16", why)
        if "batch_size" not in self._given:
            # No device is to be without work.
            batch = min(max(SMALL_BATCH, self._num_devices), self._num_cases)
            self.config = dataclasses.replace(self.config, batch_size=batch)
        self._choose_patch()
        self._choose_batch()

    def _choose_batch(self):
        """Doubles the batch as far as data, memory and time allow."""
        num_cases = self._num_cases
        most = min(self._most_examples, BATCH_SHARE * num_cases)
        why = f"{num_cases} training cases"
        batch = self.config.batch_size
        while 2 * batch <= most and self._fits(2 * batch):
            batch *= 2
            why = f"{num_cases} training cases, time for more than {MANY_STEPS} steps"
        self._choose("batch_size", batch, why)
        share = self.config.batch_size / SMALL_BATCH
        self._choose(
            "learning_rate",
            round(_LEARNING_RATE * math.sqrt(share), 5),
            "by the square root of the batch, 0.003 for 2",
        )

    def _fits(self, batch_size):
        config = dataclasses.replace(self.config, batch_size=batch_size)
        return config.accumulation_steps == 1 and self._gib(config) <= self._memory_gib

    def _choose_patch(self):
        needs = []
        for patch_size, may_cut in self._plans.attempts():
            largest = None
            for config in self._plans.configs(self.config, patch_size):
                largest = largest or config.patch_shape
                gib = self._gib(config)
                needs.append((gib, config))
                if gib > self._memory_gib and "patch_shape" not in self._given:
                    continue
                if self._is_fast(config, may_cut):
                    self._take_network(config, gib, config.patch_shape != largest)
                    return
                if not may_cut:
                    break
        gib, config = min(needs, key=lambda need: need[0])
        raise InputError(
            f"memory_gib={self._memory_gib:.3g}: the smallest patch, "
            f"{_times(config.patch_shape)}, needs about {gib:.3g} GiB; give more "
            f"memory, or fewer `num_channels` than {config.num_channels}",
            argument="memory_gib",
        )

    def _is_fast(self, config, may_cut):
        """Whether time allows enough steps, or the patch cannot be smaller."""
        if "patch_shape" in self._given:
            return True
        smallest = [SMALLEST * by for by in config.patch_size]
        limit = self._most_voxels
        if may_cut:
            limit *= ENOUGH_STEPS / FEWEST_STEPS
        limit = max(limit, relative_cost(smallest, config.patch_size))
        return relative_cost(config.patch_shape, config.patch_size) <= limit

    def _gib(self, config):
        of_device = dataclasses.replace(
            config, batch_size=examples_of_device(config, self._num_devices)
        )
        manifest = self._manifest
        return step_gib(of_device, manifest.num_labels, manifest.num_channels)

    def _take_network(self, config, gib, is_cut):
        origin = self._plans.origin
        features_mm = self._plans.features_mm(config.patch_size)
        of_voxels = "voxels" if config.patch_size == (1, 1, 1) else "features"
        spacing = f"{of_voxels} of {_times(f'{mm:.3g}' for mm in features_mm)} mm"
        if is_cut:
            limits = f"{self._memory_gib:.3g} GiB"
            if self._most_voxels < math.inf:
                limits += " and the time"
            origin += f", cut for {limits}"
        reasons = {
            "patch_shape": f"{origin}; a step takes about {gib:.2g} GiB",
            "patch_size": "voxels of a feature; finer ones would leave fewer than "
            f"{ENOUGH_STEPS} steps, or not fit into memory",
            "num_channels": "doubled at each resolution, "
            f"from {FINEST_CHANNELS} to {MOST_CHANNELS}",
            "scale_factor": f"{spacing}{self._plans.doubt}",
            "kernel_size": "an axis is mixed where its voxels are at most "
            f"{ANISOTROPY:g} times as long as others",
            "mask_branch": "the image is encoded once for all steps",
            "mask_output": "the light branch only corrects the logits of the image",
            "deep_supervision": "resolutions below the finest learn the mask, too",
            "accumulation_steps": "the batch fits in parts",
        }
        for name, why in reasons.items():
            value = getattr(config, name)
            if value != getattr(TrainConfig(), name) or name == "patch_shape":
                self._choose(name, value, why)

    def choose_epoch(self):
        """Chooses the patches of each case in an epoch."""
        num_cases = self._num_cases
        patches = patches_per_volume(self._rounds_per_epoch())
        if patches > 1:
            why = f"{num_cases} training cases would make short epochs"
            self._choose("patches_per_volume", patches, why)

    def choose_length(self, step_seconds, hours, num_windows=0):
        """Chooses the epochs, and how many of them are validated.

        Args:
            step_seconds: measured seconds of a training step.
            hours: time for training, with its validations.
            num_windows: windows of a validation. To sample one takes about as long as
                to train on one.
        """
        minutes = num_windows * step_seconds / self.config.batch_size / 60
        self._num_validations, share = validations_in_time(minutes / (60 * hours))
        if num_windows:
            self._validation = f" of {num_windows} windows, {minutes:.2g} minutes each"
        steps = steps_in_time(step_seconds, hours, share)
        epochs = epochs_in_time(steps, self._steps_per_epoch())
        why = f"{hours:g} h at {step_seconds:.2g} s a step"
        self._choose("epochs", epochs, why)

    def choose_schedule(self):
        """Chooses what goes by the number of steps."""
        epochs = self.config.epochs
        steps = epochs * self._steps_per_epoch()
        warmup = round(WARMUP_SHARE * steps)
        self._choose("warmup_steps", warmup, f"a twentieth of {steps} steps")
        self._choose_validations()
        self._choose("ema", ema_momentum(steps), "the last eighth of the run")

    def _choose_validations(self):
        epochs, number = self.config.epochs, self._num_validations
        if number or self.config.early_stopping:
            number = max(1, number)
            why = f"at most {number} validation(s){self._validation}"
            self._choose("validation_frequency", -(-epochs // number), why)
        else:
            why = f"no validation{self._validation}: the time is too short"
            self._choose("validation_frequency", epochs + 1, why)

    def _rounds_per_epoch(self):
        remainder = Remainder(self.config.remainder)
        batch_size = self.config.batch_size
        return max(1, remainder.rounds_per_epoch(self._num_cases, batch_size))

    def _steps_per_epoch(self):
        return self._rounds_per_epoch() * self.config.patches_per_volume

    def choose_augmentation(self):
        """Chooses flips, axes of rotation, and how much is augmented."""
        spacing_mm, shape = self._plans.spacing_mm, self._plans.wanted
        names = self._manifest.class_names[1:]
        side = class_of_one_side(names)
        if side:
            self._choose("flip_axes", "", f"class {side} is of one side")
        elif are_unnamed(names):
            why = f"{names[0]} and {names[1]} may be left and right: name the classes"
            self._choose("flip_axes", "", why)
        else:
            self._choose("flip_axes", "x", "no class is left or right")
        axes = rotation_axes(shape, spacing_mm)
        if axes != "xyz":
            spacing = _times(f"{mm:.3g}" for mm in spacing_mm)
            why = f"voxels of {spacing} mm: in the plane of the slices"
            self._choose("rotation_axes", axes, why)
        passes = self.config.epochs * self.config.patches_per_volume
        if passes < _MANY_PASSES:
            why = f"each case is seen {passes} times: little of it"
            for name, value in _LIGHT_AUGMENTATION.items():
                self._choose(name, value, why)


# What helps from the first passes on.
_LIGHT_AUGMENTATION = {
    "affine_probability": 0.3,
    "elastic_probability": 0.0,
    "noise_probability": 0.0,
    "blur_probability": 0.0,
    "brightness_probability": 0.1,
    "contrast_probability": 0.1,
    "low_resolution_probability": 0.0,
    "gamma_probability": 0.15,
}


def default_memory_gib():
    """16 GiB, or most of what a GPU has, or is free for the CPU, if that is less."""
    gpus = visible_gpus()
    gib = free_gib() if gpus is None else gpus.gib
    return _DEFAULT_GIB if gib is None else min(_DEFAULT_GIB, _SHARE_OF_FREE * gib)


def _why_bfloat16():
    """Why bfloat16 is faster here, or an empty text if it is not."""
    gpus = visible_gpus()
    if gpus is not None:
        return "the GPU multiplies bfloat16 faster" if gpus.is_fast_in_bfloat16 else ""
    instructions = bfloat16_instructions()
    why = f"the CPU multiplies bfloat16 faster ({instructions})"
    return why if instructions else ""


def rotation_axes(shape, spacing_mm):
    """Axes about which a rotation keeps voxels in the plane of the slices.

    Args:
        shape: (x, y, z) voxels.
        spacing_mm: (x, y, z).

    Returns:
        "xyz", or the one axis along which voxels are more than three times as long.
    """
    long = [
        axis
        for axis, mm, size in zip("xyz", spacing_mm, shape, strict=True)
        if mm > 3 * min(spacing_mm) or size == 1
    ]
    return long[0] if len(long) == 1 else "xyz"


def _times(sizes):
    return "x".join(map(str, sizes))
