"""Each weight of another network is taken bit for bit, or not at all."""

import keras
import numpy as np
import pytest

from tf_diffseg.models import UNet3D
from tf_diffseg.training.flat_network import flat_network
from tf_diffseg.training.saving.frozen_layers import freeze_layers, layers_of
from tf_diffseg.training.saving.initial_weights import MisfitError, take_weights
from tf_diffseg.training.saving.network_weights import read_weights, weights_of

_SMALL = {"num_channels": (4, 8), "num_heads": 2}
_STEM = "stem/kernel"


def _network(num_classes=3, image_channels=1, seed=0, **values):
    """A network whose weights are all random, also those that start at 0 or 1."""
    network = flat_network(num_classes, image_channels, **{**_SMALL, **values})
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return network


def _values(network):
    """Copies of all weights of the layers, by name."""
    return {
        w.path: np.asarray(w).copy() for layer in network.layers for w in layer.weights
    }


def _take(here, there):
    """Takes weights; returns the report, the values here before and after, there."""
    before = _values(here)
    report = take_weights(here, weights_of(there), "there")
    return report, before, _values(here), _values(there)


def _afresh(report):
    return {misfit.name for misfit in report.misfits if misfit.here is not None}


def _left(report):
    return {misfit.name for misfit in report.misfits if misfit.here is None}


def _check_rest(report, before, after, there, but=(_STEM,)):
    """Asserts that all weights except `but` are taken, or untouched and named."""
    for name in after.keys() - set(but):
        expected = before if name in _afresh(report) else there
        np.testing.assert_array_equal(after[name], expected[name], err_msg=name)


def test_a_network_of_the_same_kind_takes_everything():
    here, there = _network(seed=1), _network(seed=2)
    report, _, after, values = _take(here, there)
    assert report.misfits == ()
    assert report.num_taken == report.num_all == sum(v.size for v in after.values())
    assert after.keys() == values.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def _time_weights(values):
    return {n for n in values if "modulation" in n or n.startswith("time_embedding")}


_HEAD_WEIGHTS = {"head/kernel", "head/bias"}


@pytest.mark.parametrize(
    "here, there, span_here, span_there, parts_afresh",
    [
        ((4, 2), (3, 2), slice(0, 2), slice(0, 2), {"x_t"}),
        ((3, 4), (3, 1), slice(4, None), slice(1, None), {"image"}),
        # 1 + 3 channels and 2 + 2 channels: no channel has the same meaning.
        ((2, 2), (3, 1), slice(0, 0), slice(0, 0), {"image", "x_t"}),
    ],
    ids=["classes", "image channels", "both, of the same shape"],
)
def test_only_channels_of_the_same_meaning_are_taken(
    here, there, span_here, span_there, parts_afresh
):
    here, there = _network(*here, seed=1), _network(*there, seed=2)
    report, before, after, values = _take(here, there)
    expected = before[_STEM]
    expected[..., span_here, :] = values[_STEM][..., span_there, :]
    np.testing.assert_array_equal(after[_STEM], expected)
    afresh = {f"stem/kernel, channels of {part}" for part in parts_afresh}
    if here.num_classes != there.num_classes:
        afresh |= _HEAD_WEIGHTS
    assert _afresh(report) == afresh
    _check_rest(report, before, after, values)
    rest = [v.size for name, v in after.items() if name not in afresh | {_STEM}]
    assert report.num_taken == sum(rest) + values[_STEM][..., span_there, :].size


def test_the_stem_of_a_mask_branch_is_a_layer_of_its_own():
    branch = {"mask_branch": (4,)}
    here, there = _network(4, seed=1, **branch), _network(3, seed=2, **branch)
    report, before, after, values = _take(here, there)
    assert _afresh(report) == {"mask_stem/kernel", *_HEAD_WEIGHTS}
    assert _left(report) == set()
    _check_rest(report, before, after, values, but=())


@pytest.mark.parametrize(
    "mask_output, is_afresh", [("logits", True), ("features", False)]
)
def test_corrections_of_other_logits_start_afresh(mask_output, is_afresh):
    branch = {"mask_branch": (4,), "mask_output": mask_output}
    here = _network(3, regions=[[1, 2], [1], [2]], **branch)
    there = _network(3, seed=1, **branch)
    report, before, after, _ = _take(here, there)
    heads = [name for name in after if name.startswith("mask_head/")]
    assert heads
    for name in heads:
        assert (name in _afresh(report)) == is_afresh
        assert np.array_equal(after[name], before[name]) == is_afresh


@pytest.mark.parametrize("regions", [None, [[1, 2], [2], [1]]])
def test_coarse_logits_of_other_classes_start_afresh(regions):
    deep = {"mask_branch": (4,), "deep_supervision": 1}
    here = _network(4 if regions is None else 3, seed=1, regions=regions, **deep)
    there = _network(3, seed=2, **deep)
    report, before, after, values = _take(here, there)
    of_classes = {*_HEAD_WEIGHTS, "deep_1_head/kernel", "deep_1_head/bias"}
    assert _afresh(report) == {"mask_stem/kernel", *of_classes}
    _check_rest(report, before, after, values, but=())


@pytest.mark.parametrize("strategy_here", ["recycling", "supervised"])
def test_weights_go_from_and_into_a_supervised_network(strategy_here):
    diffuses = strategy_here != "supervised"
    here = _network(3, 2, seed=1, strategy=strategy_here)
    strategy_there = "supervised" if diffuses else "recycling"
    there = _network(3, 2, seed=2, strategy=strategy_there)
    report, before, after, values = _take(here, there)
    np.testing.assert_array_equal(after[_STEM][..., :2, :], values[_STEM][..., :2, :])
    np.testing.assert_array_equal(after[_STEM][..., 2:, :], before[_STEM][..., 2:, :])
    of_time = {
        name
        for name in (before if diffuses else values)
        if "modulation" in name or name.startswith("time_embedding")
    }
    misfits = of_time | {"stem/kernel, channels of x_t"}
    assert _afresh(report) == (misfits if diffuses else set())
    assert _left(report) == (set() if diffuses else misfits)
    _check_rest(report, before, after, values)


@pytest.mark.parametrize("there_is_self_conditioned", [True, False])
def test_self_conditioning_has_channels_of_its_own(there_is_self_conditioned):
    strategies = ["recycling", "self_conditioning"]
    if there_is_self_conditioned:
        strategies.reverse()
    here, there = (
        _network(2, 1, seed=seed, strategy=strategy)
        for seed, strategy in enumerate(strategies)
    )
    report, before, after, values = _take(here, there)
    np.testing.assert_array_equal(after[_STEM][..., :3, :], values[_STEM][..., :3, :])
    np.testing.assert_array_equal(after[_STEM][..., 3:, :], before[_STEM][..., 3:, :])
    names = {misfit.name for misfit in report.misfits}
    assert names == {"stem/kernel, channels of condition"}
    _check_rest(report, before, after, values)


@pytest.mark.parametrize(
    "values",
    [
        {"model_output": "noise", "strategy": "diffusion"},
        {"num_classes": 3, "regions": [[1, 2], [1], [2]]},
    ],
)
def test_a_head_of_the_same_shape_that_predicts_something_else_is_not_taken(values):
    here, there = _network(seed=1, **values), _network(seed=2)
    report, before, after, others = _take(here, there)
    assert {"head/kernel", "head/bias"} <= _afresh(report)
    # Networks with other regions have other channels of the noisy mask, too.
    mask = (before if "regions" in values else others)[_STEM][..., 1:, :]
    np.testing.assert_array_equal(after[_STEM][..., 1:, :], mask)
    assert "stands for something else" in str(report)
    _check_rest(report, before, after, others)


@pytest.mark.parametrize(
    "num_classes_here, here, num_classes_there",
    [
        # Two classes and their variances, and four classes: the same shape.
        (2, {"model_variance": "learned", "variational_weight": 0.001}, 4),
        # The bias has the same shape, the kernel has not.
        (3, {"num_channels": (8, 8)}, 3),
    ],
    ids=["variance", "kernel"],
)
def test_a_layer_is_taken_whole_or_not_at_all(
    num_classes_here, here, num_classes_there
):
    here = _network(num_classes_here, seed=1, **here)
    report, before, after, _ = _take(here, _network(num_classes_there, seed=2))
    assert {"head/kernel", "head/bias"} <= _afresh(report)
    np.testing.assert_array_equal(after["head/bias"], before["head/bias"])


@pytest.mark.parametrize(
    "values, fits",
    [
        ({"num_channels": (4, 8, 16)}, {"encoder_0_0", "down_0", "up_0", "head"}),
        ({"num_blocks": (2, 1)}, {"encoder_0_0", "down_0", "bottom_0", "head"}),
        ({"num_channels": (4, 12)}, {"encoder_0_0", "decoder_0_0", "head"}),
        ({"scale_factor": (2, 2, 1)}, {"encoder_0_0", "down_0", "bottom_1", "head"}),
        ({"kernel_size": (3, 3, 1)}, {"up_0", "bottom_attention", "head"}),
        ({"skip": "concat"}, {"encoder_0_0", "bottom_0", "up_0", "head"}),
    ],
)
def test_other_shapes_take_what_has_their_name_and_shape(values, fits):
    here, there = _network(seed=1, **values), _network(seed=2)
    report, before, after, others = _take(here, there)
    assert {name for name in fits if not report.is_whole(name)} == set()
    assert report.misfits
    _check_rest(report, before, after, others, but=())


def _assert_refused(here, there, message):
    before = _values(here)
    with pytest.raises(MisfitError, match=message):
        take_weights(here, weights_of(there), "there")
    for name, value in _values(here).items():
        np.testing.assert_array_equal(value, before[name])


def test_networks_that_share_nothing_are_refused_and_left_alone():
    here = _network(3, 1, seed=1, num_channels=(6, 12), kernel_size=(1, 1, 3))
    there = _network(4, 2, seed=2, norm="channel")
    _assert_refused(here, there, r"shares no weight .* shape there 3x3x3x6x4")


def test_weights_that_are_no_numbers_are_refused_and_nothing_is_changed():
    there = _network(seed=2)
    there.get_layer("head").bias.assign([np.nan, 0.0, 0.0])
    _assert_refused(_network(seed=1), there, "not finite, of head/bias")


@pytest.mark.parametrize(
    "values",
    [{}, {"num_channels": (4, 8, 16)}, {"num_blocks": (1, 1)}, {"dropout": 0.1}],
)
def test_a_file_of_weights_is_read_by_the_names_of_layers(tmp_path, values):
    # In the file Keras numbers layers by class, which differs between networks.
    there = _network(seed=2)
    path = tmp_path / "there.weights.h5"
    there.save_weights(path)
    found = read_weights(path)
    expected = weights_of(there)
    assert found.layers.keys() == expected.layers.keys()
    for name, variables in expected.layers.items():
        for value, variable in zip(found.layers[name], variables, strict=True):
            np.testing.assert_array_equal(value, np.asarray(variable), err_msg=name)
    here = _network(seed=1, **values)
    of_model = _network(seed=1, **values)
    by_file = take_weights(here, found, "there")
    by_model = take_weights(of_model, expected, "there")
    assert _afresh(by_model) <= _afresh(by_file)
    for name, value in _values(here).items():
        np.testing.assert_array_equal(value, _values(of_model)[name], err_msg=name)


def test_a_file_of_weights_of_other_ends_leaves_the_ends_afresh(tmp_path):
    there = _network(3, 1, seed=2)
    there.save_weights(tmp_path / "there.weights.h5")
    here = _network(2, 2, seed=1)
    before = _values(here)
    report = take_weights(here, read_weights(tmp_path / "there.weights.h5"), "there")
    assert not report.is_whole("stem") and not report.is_whole("head")
    after = _values(here)
    np.testing.assert_array_equal(after["stem/kernel"], before["stem/kernel"])
    _check_rest(report, before, after, _values(there))


def test_names_do_not_depend_on_a_scope_or_on_networks_built_before():
    with keras.name_scope("study"):
        here = _network(seed=1, name="mine")
    report, _, _, _ = _take(here, _network(seed=2))
    assert report.misfits == ()


def test_a_plain_network_takes_the_weights_of_another():
    arguments = {"out_channels": 3, "image_channels": 2, "mask_channels": 3}
    here, there = UNet3D(**arguments, **_SMALL), UNet3D(**arguments, **_SMALL)
    report, _, after, values = _take(here, there)
    assert report.misfits == ()
    np.testing.assert_array_equal(after[_STEM], values[_STEM])


def test_the_table_names_weight_and_both_shapes():
    report, *_ = _take(_network(4, seed=1), _network(3, seed=2))
    lines = str(report).splitlines()
    assert lines[0] == (
        f"initial weights: {report.num_taken:,} of {report.num_all:,} parameters are "
        "those of there"
    )
    rows = [line.split() for line in lines[3:]]
    assert ["head/kernel", "1x1x1x3x4", "1x1x1x4x4"] in rows
    assert ["head/bias", "3", "4"] in rows
    assert ["stem/kernel,", "channels", "of", "x_t", "3x3x3x3x4", "3x3x3x4x4"] in rows


def test_frozen_layers_do_not_move_and_others_do():
    network = _network(seed=1)
    names = layers_of(network, "encoder")
    bottom = {"bottom_0", "bottom_attention", "bottom_1"}
    assert set(names) == {"time_embedding", "stem", "encoder_0_0", "down_0"} | bottom
    freeze_layers(network, names)
    network.compile(keras.optimizers.AdamW(0.01, weight_decay=0.1), run_eagerly=True)
    before = _values(network)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 8, 8, 8, 1)).astype(np.float32)
    label = (image[..., 0] > 0).astype(np.int32)
    network.fit(image, label, batch_size=2, epochs=2, verbose=0)
    after = _values(network)
    moved = {n.split("/")[0] for n in after if (after[n] != before[n]).any()}
    assert moved == {"up_0", "decoder_0_0", "head_norm", "head"}


def test_a_part_that_is_none_is_refused():
    with pytest.raises(ValueError, match="freeze must be one of encoder, got 'all'"):
        layers_of(_network(), "all")
