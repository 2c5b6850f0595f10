"""The chosen network fits the data, the network's own rules and the memory."""

import dataclasses
import itertools
import math

import pytest

from tests.runs.planning.fingerprints import drawn_values, manifest_of
from tf_diffseg.data.epoch_order import steps_per_epoch
from tf_diffseg.errors import InputError
from tf_diffseg.models.unet_arguments import rows_of, shape_multiple
from tf_diffseg.runs.planning.recommender import Recommender
from tf_diffseg.runs.planning.step_memory import step_gib

DRAWN = list(drawn_values(200))


def _recommend(memory_gib=16.0, given=None, **values):
    recommender = Recommender(manifest_of(**values), memory_gib, given)
    recommender.choose_network()
    return recommender.config


def _levels(config):
    """(kernel, factor to it) of each resolution, axis by axis."""
    number = len(config.num_channels)
    kernels = rows_of(config.kernel_size, number)
    factors = rows_of(config.scale_factor, number - 1)
    return list(zip(kernels, ((1, 1, 1), *factors), strict=True))


@pytest.mark.parametrize("values, memory_gib", DRAWN)
def test_a_plan_is_valid_and_within_its_budget(values, memory_gib):
    config = _recommend(memory_gib, **values)
    args = values["num_classes"], values["num_channels"]
    assert step_gib(config, *args) <= memory_gib
    assert config.batch_size == 2 and config.accumulation_steps in (1, 2)
    multiple = shape_multiple(
        config.patch_size, config.scale_factor, len(config.num_channels)
    )
    for size, step, whole in zip(
        config.patch_shape, multiple, values["shape"], strict=True
    ):
        assert size % step == 0 and size >= min(16, whole)
        # Not much more than the volume, and not much less at the coarsest resolution.
        assert size < whole + max(step, 16)
        assert size // step >= min(4, whole)
    for (finer, _), (coarser, factor) in itertools.pairwise(_levels(config)):
        for before, after, by in zip(finer, coarser, factor, strict=True):
            assert after >= before
            # Voxels that no convolution has mixed are not merged.
            assert by == 1 or after == 3


@pytest.mark.parametrize("values", [values for values, _ in DRAWN[::10]])
def test_more_memory_gives_no_smaller_patch(values):
    plans = [_recommend(gib, **values) for gib in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)]
    for less, more in itertools.pairwise(plans):
        pairs = zip(less.patch_shape, more.patch_shape, strict=True)
        assert all(small <= large for small, large in pairs)


@pytest.mark.parametrize("values, memory_gib", DRAWN[::10])
def test_a_turned_volume_gets_the_turned_plan(values, memory_gib):
    config = _recommend(memory_gib, **values)
    for order in ((1, 0, 2), (2, 0, 1)):

        def turned(sizes, order=order):
            return tuple(sizes[axis] for axis in order)

        shape, spacing_mm = turned(values["shape"]), turned(values["spacing_mm"])
        other = _recommend(
            memory_gib, **(values | {"shape": shape, "spacing_mm": spacing_mm})
        )
        assert other.patch_shape == turned(config.patch_shape)
        expected = [tuple(map(turned, level)) for level in _levels(config)]
        assert _levels(other) == expected


def test_a_small_volume_is_one_patch_of_four_resolutions():
    config = _recommend(shape=(36, 51, 35), spacing_mm=(1.0, 1.0, 1.0))
    assert config.patch_shape == (40, 56, 40)
    assert config.num_channels == (16, 32, 64, 128)
    assert config.scale_factor == (2, 2, 2) and config.kernel_size == (3, 3, 3)
    assert config.mask_branch == (16, 32) and config.mask_output == "logits"
    assert config.deep_supervision == 2


def test_long_voxels_are_first_halved_within_the_slices():
    config = _recommend(shape=(160, 160, 64), spacing_mm=(1.0, 1.0, 3.3))
    assert config.scale_factor[:2] == ((2, 2, 1), (2, 2, 2))
    assert config.kernel_size[:2] == ((3, 3, 1), (3, 3, 3))


def test_few_slices_are_not_padded_to_many():
    # Once with a placeholder for the spacing, once with the true one.
    for spacing_mm in ((1.0, 1.0, 1.0), (1.5, 1.5, 10.0)):
        config = _recommend(shape=(216, 256, 9), spacing_mm=spacing_mm)
        assert config.patch_shape[2] == 10
        assert config.scale_factor[0] == (2, 2, 1)
        assert config.kernel_size[0] == (3, 3, 1)


def test_a_flat_volume_of_equal_voxels_is_told():
    manifest = manifest_of((216, 256, 9), (1.0, 1.0, 1.0))
    recommender = Recommender(manifest, 16.0)
    recommender.choose_network()
    (why,) = [c.why for c in recommender.choices if c.name == "scale_factor"]
    assert "the headers' z 1 mm would be a very flat volume" in why


@pytest.mark.parametrize("z", [1, 8, 16, 180])
def test_a_flat_patch_makes_no_headers_wrong(z):
    values = {"shape": (256, 256, 180), "spacing_mm": (1.0, 1.0, 1.0)}
    for given, volume in (({"patch_shape": (256, 256, z)}, None), ({}, (256, 256, z))):
        manifest = manifest_of(**values, volume_shape=volume)
        recommender = Recommender(manifest, 64.0, given)
        recommender.choose_network()
        recommender.choose_augmentation()
        whys = [choice.why for choice in recommender.choices]
        assert not any("would be a very flat volume" in why for why in whys)
        kernels = [kernel for kernel, _ in _levels(recommender.config)]
        assert z == 1 or kernels[0] == (3, 3, 3)


def test_a_given_patch_hides_no_wrong_headers():
    manifest = manifest_of((216, 256, 9), (1.0, 1.0, 1.0))
    recommender = Recommender(manifest, 16.0, {"patch_shape": (64, 64, 8)})
    recommender.choose_network()
    (why,) = [c.why for c in recommender.choices if c.name == "scale_factor"]
    assert "the headers' z 1 mm would be a very flat volume" in why


def test_a_patch_is_for_what_a_crop_leaves():
    values = {"shape": (240, 240, 155), "spacing_mm": (1.0, 1.0, 1.0)}
    config = _recommend(64.0, bright_shape=(140, 175, 140), **values)
    assert config.patch_shape == (160, 192, 160)
    assert _recommend(64.0, **values).patch_shape != config.patch_shape


def test_given_values_stay_and_are_planned_with():
    values = {"shape": (200, 200, 200), "spacing_mm": (1.0, 1.0, 1.0)}
    given = {"num_channels": (8, 16, 32), "batch_size": 4, "mask_branch": (8,)}
    config = _recommend(16.0, given, **values)
    assert dataclasses.replace(config, **given) == config
    assert step_gib(config, 2, 1) <= 16.0
    assert _recommend(16.0, {"patch_shape": (40, 48, 56)}, **values).patch_shape == (
        40,
        48,
        56,
    )
    supervised = _recommend(16.0, {"strategy": "supervised"}, **values)
    assert supervised.mask_branch is None and supervised.mask_output == "features"
    assert supervised.deep_supervision == 2


def test_less_memory_first_divides_the_batch():
    values = {"shape": (96, 96, 96), "spacing_mm": (1.0, 1.0, 1.0)}
    wide = _recommend(64.0, **values)
    gib = step_gib(wide, 2, 1)
    narrow = _recommend(0.95 * gib, **values)
    assert narrow.accumulation_steps == 2
    assert narrow.patch_shape == wide.patch_shape


def test_too_little_memory_is_one_error():
    with pytest.raises(InputError, match="memory_gib=1: the smallest patch, 16x16x16"):
        _recommend(1.0, shape=(200, 200, 200), spacing_mm=(1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    "class_names, axes",
    [
        (["liver"], "x"),
        (["kidney_left", "kidney_right"], ""),
        (["LeftLung"], ""),
        (["hippocampus_l"], ""),
        (["anterior", "posterior"], "x"),
        (["cleft", "vertebra_L5"], "x"),
        (["Parotid Lt", "Parotid Rt"], ""),
        (["LKidney", "RKidney"], ""),
        (["LV", "RV", "LVM"], "x"),
        # Nobody has said what they are.
        (["class_1"], "x"),
        (["class_1", "class_2"], ""),
        (["class_1", "tumour"], "x"),
    ],
)
def test_volumes_are_mirrored_unless_a_class_is_of_one_side(class_names, axes):
    manifest = manifest_of((32, 32, 32), (1.0, 1.0, 1.0), class_names=class_names)
    recommender = Recommender(manifest, 16.0, {"epochs": 10})
    recommender.choose_augmentation()
    assert recommender.config.flip_axes == axes


def test_thick_slices_are_turned_within_their_plane():
    manifest = manifest_of((160, 160, 32), (1.0, 1.0, 5.0))
    recommender = Recommender(manifest, 16.0)
    recommender.choose_augmentation()
    assert recommender.config.rotation_axes == "z"


@pytest.mark.parametrize(
    "num_cases, hours, given",
    [
        (1, 0.1, {}),
        (3, 2.0, {}),
        (3, 2.0, {"remainder": "pad"}),
        (5, 2.0, {}),
        (15, 2.0, {"batch_size": 8}),
        (20, 2.0, {}),
        (500, 24.0, {}),
    ],
)
def test_a_run_fills_its_time(num_cases, hours, given):
    manifest = manifest_of((64, 64, 64), (1.0, 1.0, 1.0), num_cases=num_cases)
    recommender = Recommender(manifest, 16.0, given)
    recommender.choose_network()
    recommender.choose_epoch()
    recommender.choose_length(2.0, hours)
    recommender.choose_schedule()
    config = recommender.config
    assert config.batch_size == given.get("batch_size", min(2, num_cases))
    per_epoch = steps_per_epoch(
        num_cases, config.batch_size, config.patches_per_volume, config.remainder
    )
    assert per_epoch >= min(50, num_cases // config.batch_size * 16)
    steps = config.epochs * per_epoch
    wanted = min(max(100, 0.85 * hours * 1800), 50_000)
    assert abs(steps - wanted) <= max(per_epoch, 1)
    assert config.warmup_steps == pytest.approx(0.05 * steps, abs=1)
    assert 5 <= config.epochs / config.validation_frequency < 20 or config.epochs < 20
    assert math.isclose(1 - config.ema, 8 / steps, abs_tol=1e-4) or steps > 8000


@pytest.mark.parametrize(
    "num_windows, epochs, number",
    # A step of 2 windows takes 2 s, and the run 7200 s.
    [
        (0, 61, 10),
        (7, 61, 10),
        (300, 61, 2),
        (700, 61, 1),
        (1000, 58, 1),
        (3000, 68, 0),
    ],
)
def test_validations_take_a_tenth_of_the_time_if_they_can(num_windows, epochs, number):
    manifest = manifest_of((64, 64, 64), (1.0, 1.0, 1.0), num_cases=100)
    recommender = Recommender(manifest, 16.0)
    recommender.choose_network()
    recommender.choose_epoch()
    recommender.choose_length(2.0, 2.0, num_windows)
    recommender.choose_schedule()
    config = recommender.config
    assert config.epochs == epochs
    validated = -(-epochs // config.validation_frequency)
    assert (validated if config.validation_frequency <= epochs else 0) <= number
    assert (config.validation_frequency > epochs) == (number == 0)
    (why,) = [c.why for c in recommender.choices if c.name == "validation_frequency"]
    assert ("no validation" in why) == (number == 0)
    stopping = Recommender(manifest, 16.0, {"early_stopping": 2})
    for choose in (stopping.choose_network, stopping.choose_epoch):
        choose()
    stopping.choose_length(2.0, 2.0, num_windows)
    stopping.choose_schedule()
    assert stopping.config.validation_frequency <= stopping.config.epochs


@pytest.mark.parametrize("num_devices", [1, 2, 3, 4])
@pytest.mark.parametrize("values, memory_gib", DRAWN[::20])
def test_each_device_has_its_part_of_the_batch(values, memory_gib, num_devices):
    recommender = Recommender(
        manifest_of(**values), memory_gib, num_devices=num_devices
    )
    recommender.choose_network()
    config = recommender.config
    assert config.batch_size == max(2, num_devices)
    of_device = -(-config.batch_size // num_devices)
    assert config.accumulation_steps <= of_device
    alone = dataclasses.replace(config, batch_size=of_device)
    sizes = values["num_classes"], values["num_channels"]
    assert step_gib(alone, *sizes) <= memory_gib


def test_patches_are_cut_until_enough_steps_fit_into_the_time():
    manifest = manifest_of((150, 150, 64), (1.0, 1.0, 3.0))
    whole, cut = (Recommender(manifest, 16.0, {}, most) for most in (None, 3e5))
    for recommender in (whole, cut):
        recommender.choose_network()
    # Twice as many voxels as for 1000 steps leave 500.
    assert math.prod(whole.config.patch_shape) > 6e5
    assert 3e5 < math.prod(cut.config.patch_shape) <= 6e5
    (why,) = [c.why for c in cut.choices if c.name == "patch_shape"]
    assert "cut for 16 GiB and the time" in why


@pytest.mark.parametrize(
    "num_cases, memory_gib, most_examples, batch",
    [(200, 64.0, 2, 2), (200, 64.0, 7, 4), (200, 64.0, 64, 8), (5, 64.0, 64, 2)],
)
def test_time_for_many_steps_goes_into_the_batch(
    num_cases, memory_gib, most_examples, batch
):
    manifest = manifest_of((40, 56, 40), (1.0, 1.0, 1.0), num_cases=num_cases)
    recommender = Recommender(manifest, memory_gib, most_examples=most_examples)
    recommender.choose_network()
    assert recommender.config.batch_size == batch
    rate = recommender.config.learning_rate
    assert rate == pytest.approx(3e-3 * math.sqrt(batch / 2), abs=1e-5)
    assert [c.value for c in recommender.choices if c.name == "batch_size"] == [batch]


@pytest.mark.parametrize("values, memory_gib", DRAWN[::10])
def test_a_larger_batch_stays_within_memory(values, memory_gib):
    manifest = manifest_of(**values, num_cases=10_000)
    small, large = (
        Recommender(manifest, memory_gib, most_examples=most) for most in (2, 64)
    )
    for recommender in (small, large):
        recommender.choose_network()
    assert step_gib(large.config, values["num_classes"], values["num_channels"]) <= (
        memory_gib
    )
    assert large.config.patch_shape == small.config.patch_shape
    assert small.config.batch_size <= large.config.batch_size <= 64


def test_a_given_patch_stays_though_it_is_slow():
    given = {"patch_shape": (40, 48, 56)}
    manifest = manifest_of((64, 64, 64), (1.0, 1.0, 1.0))
    recommender = Recommender(manifest, 16.0, given, most_voxels=1e4)
    recommender.choose_network()
    assert recommender.config.patch_shape == (40, 48, 56)


@pytest.mark.parametrize("values", [values for values, _ in DRAWN[::10]])
def test_the_least_time_still_gives_a_patch(values):
    recommender = Recommender(manifest_of(**values), 64.0, {}, most_voxels=1)
    recommender.choose_network()
    assert math.prod(recommender.config.patch_shape) <= 16**3


def test_slices_get_a_2d_network():
    """A slice is thin, but its voxels are not taken to be long."""
    config = _recommend(
        shape=(480, 512, 1), spacing_mm=(1.0, 1.0, 1.0), num_classes=2, num_channels=1
    )
    kernels, factors = zip(*_levels(config), strict=True)
    assert set(kernels) == {(3, 3, 1)} and set(factors[1:]) == {(2, 2, 1)}
    assert config.patch_shape == (480, 512, 1)
