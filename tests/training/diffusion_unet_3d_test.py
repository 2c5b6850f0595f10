import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import (
    SMALL,
    assert_equal,
    batch_of_step,
    toy_model,
    toy_volumes,
)
from tf_diffseg.diffusion import (
    SAMPLERS,
    DDIMSampler,
    EarlyExitSampler,
    GaussianDiffusion,
    get_sampler,
)
from tf_diffseg.metrics import StreamingDice
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.flat_network import flat_network
from tf_diffseg.training.flops import graph_flops
from tf_diffseg.training.optimizer import KernelDecayAdamW
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D
from tf_diffseg.training.step_draws import step_seeds
from tf_diffseg.training.training_loss import TrainingLoss

TWO_LEVELS = {"num_channels": (4, 8), "num_blocks": (1, 1), "num_heads": 2}


def _model(optimizer=None, **arguments):
    return toy_model(optimizer or keras.optimizers.Adam(1e-2), 3, **arguments)


def _two_halves(num_examples=4):
    """Volumes that an intensity threshold segments: -1, 0 and 1 are the classes."""
    label = np.random.default_rng(0).integers(0, 3, [num_examples, 2, 2, 2])
    label = label.repeat(4, axis=1).repeat(4, axis=2).repeat(4, axis=3)
    return label[..., np.newaxis].astype(np.float32) - 1.0, label


@pytest.fixture(scope="module")
def untrained():
    """A model for tests that do not train."""
    return _model()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        *(
            pytest.param(arguments, marks=pytest.mark.slow)
            for arguments in (
                {"strategy": "supervised"},
                {"strategy": "diffusion"},
                {"timestep_sampling": "loss"},
                {"strategy": "recycling_from_last_by_reverse_step"},
                {"strategy": "self_conditioning_from_next"},
                {"sampler": "ddpm"},
                {"focal_weight": 1.0, "dice_weight": 0.0, "cross_entropy_weight": 0.0},
            )
        ),
    ],
    ids=str,
)
def test_learns_a_threshold(arguments):
    image, label = _two_halves()
    model = _model(**TWO_LEVELS, **arguments)
    before = model.evaluate(image, label, batch_size=2, return_dict=True, verbose=0)
    model.fit(image, label, batch_size=2, epochs=45, verbose=0)
    after = model.evaluate(image, label, batch_size=2, return_dict=True, verbose=0)
    assert before["dice"] < 0.7
    assert after["dice"] > 0.95
    names = {"loss", "dice", "dice_class_1", "dice_class_2"}
    if arguments.get("strategy") != "supervised":
        names |= {f"dice_step_{step}" for step in range(1, 6)}
    assert set(after) == names


def test_loss_on_predicted_noise_falls():
    image, label = _two_halves()
    model = _model(**TWO_LEVELS, strategy="diffusion", model_output="noise")
    losses = model.fit(image, label, batch_size=4, epochs=30, verbose=0).history["loss"]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.slow
def test_learns_beside_a_variance():
    # More epochs: the bound's gradient disturbs the layers that both share.
    image, label = _two_halves()
    variance = {"model_variance": "learned_range", "variational_weight": 1e-4}
    two_levels = TWO_LEVELS | {"num_blocks": (1, 2)}
    model = _model(**two_levels, **variance, sampler="ddpm")
    history = model.fit(image, label, batch_size=2, epochs=110, verbose=0).history
    bounds = history["variational_bound"]
    assert np.mean(bounds[-10:]) < 0.5 * np.mean(bounds[:10])
    scores = model.evaluate(image, label, batch_size=2, return_dict=True, verbose=0)
    assert scores["dice"] > 0.95


@pytest.mark.slow
def test_learns_overlapping_classes():
    image, label = _two_halves()
    regions = [[1, 2], [2]]
    model = toy_model(keras.optimizers.Adam(1e-2), **TWO_LEVELS, regions=regions)
    model.fit(image, label, batch_size=2, epochs=40, verbose=0)
    scores = model.evaluate(image, label, batch_size=2, return_dict=True, verbose=0)
    assert scores.pop("loss") < 0.5
    assert {"dice", "dice_class_0", "dice_class_1"} < set(scores)
    assert min(scores.values()) > 0.95
    probabilities = model.predict(image, batch_size=2, verbose=0)
    for region, class_probabilities in zip(
        regions, np.moveaxis(probabilities, -1, 0), strict=True
    ):
        is_region = np.isin(label, region)
        assert ((class_probabilities > 0.5) == is_region).mean() > 0.95


def test_starts_from_the_class_frequencies():
    frequencies = [0.9, 0.08, 0.02]
    # From an empty image the network knows nothing else.
    image = np.zeros([1, 8, 8, 8, 1], np.float32)
    model = _model(strategy="supervised", class_frequencies=frequencies)
    probabilities = model.predict(image, verbose=0)
    mean = probabilities.mean(axis=(0, 1, 2, 3))
    np.testing.assert_allclose(mean, frequencies, rtol=1e-4)


def test_draws_steps_by_the_losses_of_all_examples():
    image, label = _two_halves()
    model = _model(timestep_sampling="loss")
    model.fit(image, label, batch_size=4, epochs=30, verbose=0)
    counts = model._loss_counts.numpy()
    assert counts.sum() == 30 * 4
    assert (counts >= model.timestep_sampler.history_per_step).all()
    probabilities = model._timestep_probabilities().numpy()
    assert probabilities.max() - probabilities.min() > 0.01
    np.testing.assert_allclose(probabilities.sum(), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments", [{}, {"strategy": "supervised", "dropout": 0.5}], ids=str
)
def test_steps_and_seeds_differ_and_a_step_is_repeated_exactly(arguments):
    def losses(seed):
        # The weights stay as they are, so only the draws differ.
        model = _model(keras.optimizers.SGD(0.0), seed=seed, **arguments)
        losses = []
        for _ in range(3):
            model.reset_metrics()
            losses.append(float(model.train_step(batch_of_step(0, 3))["loss"]))
        return losses

    first = losses(seed=0)
    assert len(set(first)) == 3
    assert losses(seed=0) == first
    assert losses(seed=1) != first


def test_predict_depends_only_on_image_and_seed(untrained):
    image, _ = _two_halves()
    probabilities = untrained.predict(image, batch_size=4, verbose=0)
    assert probabilities.shape == (*image.shape[:4], 3)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-5)
    alone = untrained.predict(image[2:3], verbose=0)
    np.testing.assert_allclose(alone[0], probabilities[2], rtol=1e-4, atol=1e-6)
    seed = np.ones(len(image), np.int32)
    other = untrained.predict({"image": image, "seed": seed}, verbose=0)
    assert np.abs(other - probabilities).max() > 1e-3


def test_last_step_of_the_trajectory_is_the_sample(untrained):
    image, _ = _two_halves(2)
    seed = tf.constant([3, 4])
    trajectory = untrained.sample_trajectory(tf.constant(image), seed)
    assert trajectory.shape == (5, *image.shape[:4], 3)
    sample = untrained.sample(tf.constant(image), seed)
    np.testing.assert_array_equal(trajectory[-1], sample)


@pytest.mark.parametrize("arguments", [{}, {"regions": [[1, 2], [2], [1]]}], ids=str)
def test_dice_of_each_reverse_step_is_that_of_the_trajectory(arguments):
    image, label = _two_halves(2)
    model = _model(**arguments)
    scores = model.evaluate(image, label, batch_size=1, return_dict=True, verbose=0)
    seed = tf.zeros([2], tf.int32)
    trajectory = model.sample_trajectory(tf.constant(image), seed).numpy()
    for step, probabilities in enumerate(trajectory, 1):
        if arguments:
            masks = np.stack([np.isin(label, ids) for ids in model.regions], axis=-1)
            metric = StreamingDice(3, include_background=True, from_masks=True)
            metric.update_state(masks, probabilities > 0.5)
        else:
            metric = StreamingDice(3)
            metric.update_state(label, probabilities.argmax(axis=-1))
        expected = float(metric.result())
        assert scores[f"dice_step_{step}"] == pytest.approx(expected, abs=1e-3)
    assert len({scores[f"dice_step_{step}"] for step in range(1, 6)}) > 1
    assert scores["dice_step_5"] == pytest.approx(scores["dice"], abs=1e-6)


def test_a_replaced_sampler_is_saved_without_its_early_exit():
    model = DiffusionUNet3D(2, **SMALL)
    model.sampler = DDIMSampler(model.diffusion.respaced(3), eta=0.5)
    for each in (copy.deepcopy(model), DiffusionUNet3D.from_config(model.get_config())):
        assert (each.sampler.eta, each.num_steps) == (0.5, 3)
    model.sampler = EarlyExitSampler(model.sampler, 0.1)
    assert model.get_config()["sampler"] == "ddim:eta=0.5,num_timesteps=3"
    with pytest.raises(ValueError, match="another diffusion than the model"):
        model.sampler = _OF_MORE_STEPS
    assert isinstance(model.sampler, EarlyExitSampler)


class _Windowed(DDIMSampler):
    def __init__(self, diffusion, window=(1, 2), kind="flat,round"):
        super().__init__(diffusion)
        self.options = {"window": window, "kind": kind}

    options = None


def test_options_of_any_kind_are_saved_or_refused_at_once(monkeypatch):
    monkeypatch.setitem(SAMPLERS, "windowed", f"{__name__}._Windowed")
    model = DiffusionUNet3D(2, sampler="windowed:window=(3, 4),kind='a,b'", **SMALL)
    loaded = DiffusionUNet3D.from_config(model.get_config()).sampler
    assert loaded.options == {"window": (3, 4), "kind": "a,b"}
    with pytest.raises(ValueError, match="is not read as it is written"):
        model.compile("adam", sampler=_Windowed(model.diffusion, window=object()))
    with pytest.raises(ValueError, match="eta: give them to the sampler, which is a"):
        get_sampler(loaded, model.diffusion, eta=0.5)


def test_a_loss_may_be_its_config_and_one_of_logits_needs_logits():
    loss = TrainingLoss(2.0, more_losses="focal_loss:gamma=1")
    model = DiffusionUNet3D(2, loss=loss.get_config(), **SMALL)
    assert model.training_loss.get_config() == loss.get_config()
    noise = {"strategy": "diffusion", "diffusion": {"model_output": "noise"}}
    with pytest.raises(ValueError, match="more_losses=focal_loss:gamma=1 needs a netw"):
        DiffusionUNet3D(2, loss=loss, **noise, **SMALL)


def test_a_sampler_of_other_steps_is_scored_only_at_its_end():
    image, label = _two_halves(2)
    model = _model()
    model.sampler = DDIMSampler(model.diffusion.respaced(3))
    scores = model.evaluate(image, label, return_dict=True, verbose=0)
    assert set(scores) == {"loss", "dice", "dice_class_1", "dice_class_2"}


def test_reports_the_loss_of_each_time_step():
    # The loss is their mean, weighed by how often a step was drawn.
    image, label = _two_halves()
    model = _model(keras.optimizers.SGD(0.0))
    history = model.fit(image, label, batch_size=4, epochs=1, verbose=0).history
    (loss,) = history["loss"]
    seeds = step_seeds(model.seed, tf.constant(0))
    drawn, _ = model.timestep_sampler.sample(
        seeds.timesteps, 4, model.timestep_sampler.probabilities()
    )
    counts = np.bincount(drawn, minlength=5)
    by_step = np.array([history[f"loss_t{step}"][0] for step in range(5)])
    assert (counts == 0).any()
    np.testing.assert_allclose(by_step[counts == 0], loss, rtol=1e-5)
    assert np.sum(by_step * counts) / 4 == pytest.approx(loss, rel=1e-5)
    assert len(set(by_step[counts > 0])) > 1


@pytest.mark.parametrize(
    "dtype", ["mixed_float16", pytest.param("float32", marks=pytest.mark.slow)]
)
def test_reports_the_norm_of_the_gradient_before_it_is_clipped(dtype):
    image, label = _two_halves(2)
    arguments = {"dtype": dtype, "strategy": "supervised"}
    clipped = _model(KernelDecayAdamW(0.0, global_clipnorm=1e-3), **arguments)
    (norm,) = clipped.fit(image, label, verbose=0).history["gradient_norm"]
    model = _model(keras.optimizers.SGD(1.0), **arguments)
    before = [np.asarray(variable) for variable in model.trainable_variables]
    (norm_of_other,) = model.fit(image, label, verbose=0).history["gradient_norm"]
    assert norm_of_other == norm
    steps = [
        np.sum(np.square(np.asarray(variable) - start))
        for variable, start in zip(model.trainable_variables, before, strict=True)
    ]
    assert norm == pytest.approx(np.sqrt(np.sum(steps)), rel=1e-3)


def test_saves_and_goes_on_training_as_if_never_saved(tmp_path):
    image, label = _two_halves()
    model = _model(keras.optimizers.AdamW(1e-2))
    model.fit(image, label, batch_size=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is DiffusionUNet3D
    assert loaded.get_config() == model.get_config()
    for each in (model, loaded):
        each.fit(image, label, batch_size=2, shuffle=False, verbose=0)
    assert_equal(loaded.weights, model.weights)


def test_config_holds_every_argument():
    arguments = {
        "num_classes": 4,
        "image_channels": 2,
        "strategy": "diffusion",
        "num_timesteps": 11,
        "num_timesteps_beta": 101,
        "beta_schedule": "quadratic",
        "beta_start": 1e-3,
        "beta_end": 0.01,
        "model_output": "noise",
        "model_variance": "learned",
        "timestep_sampling": "loss",
        "sampler": "ddpm",
        "dice_weight": 0.5,
        "cross_entropy_weight": 0.25,
        "focal_weight": 0.125,
        "focal_gamma": 1.5,
        "noise_weight": 2.0,
        "variational_weight": 0.01,
        "regions": [[1, 2], [2], [3], [4]],
        "class_frequencies": [0.5, 0.25, 0.125, 0.0625],
        "ignore_label": 255,
        "seed": 7,
        "num_channels": (4, 8),
        "num_blocks": (1, 1),
        "num_heads": 0,
        "skip": "concat",
        "dropout": 0.1,
        "remat": True,
    }
    config = flat_network(**arguments).get_config()
    held = config | config["diffusion"] | config["loss"]["config"]
    assert {name: held[name] for name in arguments} == arguments
    assert DiffusionUNet3D.from_config(config).get_config() == config
    # Files of earlier versions hold flat arguments.
    arguments["name"] = config["name"]
    assert DiffusionUNet3D.from_config(arguments).get_config() == config


def test_runs_without_xla_on_cpu_compiled_or_not():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("XLA is on if there is a GPU")
    model = DiffusionUNet3D(3, **SMALL)
    assert not model.jit_compile
    model.compile("adam")
    assert not model.jit_compile
    model.compile("adam", jit_compile=True)
    assert model.jit_compile


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_classes": 1}, "num_classes must be at least 2"),
        ({"num_timesteps": 4}, "num_timesteps=4"),
        ({"strategy": "magic"}, "magic"),
        ({"strategy": "supervised", "model_output": "noise"}, "model_output=noise"),
        (
            {"strategy": "recycling", "model_output": "noise"},
            "needs `strategy=diffusion",
        ),
        ({"dice_weight": -1.0}, "dice_weight must be a finite number"),
        ({"dice_weight": 0.0, "cross_entropy_weight": 0.0}, "are all 0"),
        ({"model_variance": "learned"}, "needs variational_weight above 0"),
        ({"strategy": "supervised", "model_variance": "learned"}, "model_variance: "),
        ({"strategy": "supervised", "timestep_sampling": "loss"}, "timestep_sampling:"),
        ({"strategy": "supervised", "num_timesteps": 4}, "num_timesteps=4"),
        ({"num_timesteps": 5.0}, "num_timesteps must be an int"),
        ({"num_timesteps": "5"}, "num_timesteps must be a finite number"),
        ({"num_timesteps_beta": 1001.0}, "num_timesteps_beta must be an int"),
        ({"eta": 1.5}, "eta must be in"),
        ({"eta": 0.5, "sampler": "ddpm"}, "sampler=ddpm has no option eta"),
        ({"regions": [[1, 2]]}, "label ids of each of num_classes=2"),
        ({"regions": [[1, 2], []]}, "label ids of each of num_classes=2"),
        ({"class_frequencies": [0.5]}, "must be 2 shares"),
        ({"class_frequencies": [0.5, 1.5]}, "must be 2 shares"),
        ({"sampler": "ddim:eta=much"}, "sampler=ddim: eta must be a finite number"),
        (
            {"sampler": "ddim:num_timesteps=abc"},
            "num_timesteps must be a finite number",
        ),
        ({"sampler": "ddim:num_timesteps=2.5"}, "num_timesteps must be an int"),
        ({"sampler": "ddim:clip_x_start=0"}, "clip_x_start must be true or false"),
        ({"focal_gamma": -1.0}, "focal_gamma must be a finite number"),
        (
            {"loss": TrainingLoss(), "dice_weight": 2.0},
            "dice_weight: give them to loss",
        ),
        (
            {"diffusion": GaussianDiffusion(), "num_timesteps": 3},
            "num_timesteps: give them to diffusion",
        ),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        flat_network(**({"num_classes": 2} | SMALL | arguments))


_OF_NOISE = DDIMSampler(GaussianDiffusion(model_output="noise"))
_OF_FIVE_STEPS = DDIMSampler(GaussianDiffusion())
_OF_MORE_STEPS = DDIMSampler(GaussianDiffusion(11))
_RESPACED = GaussianDiffusion(9).respaced(3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"diffusion": 5}, "diffusion must be a GaussianDiffusion or None, got 5"),
        ({"loss": "dice"}, "loss must be a TrainingLoss or None, got 'dice'"),
        ({"sampler": None}, "sampler must be a name or a Sampler, got None"),
        ({"sampler": _OF_NOISE}, "for a network that predicts noise, this one predic"),
        ({"sampler": DDIMSampler}, "sampler must be a name or a Sampler, got <class"),
        ({"sampler": _OF_MORE_STEPS}, "the sampler has another diffusion than the mod"),
        ({"sampler": _OF_FIVE_STEPS, "eta": 0.5}, "eta: give it to sampler"),
        ({"diffusion": {"num_timestep": 3}}, "diffusion has no option num_timestep"),
        ({"diffusion": _RESPACED}, 'give sampler="ddim:num_timesteps=3"'),
        ({"diffusion": {"model_output": "x"}}, "model_output must be one of x_start, "),
        ({"strategy": "magic"}, "strategy must be one of .*, got 'magic'"),
        ({"timestep_sampling": "magic"}, "timestep_sampling must be one of uniform, "),
        ({"mask_channels": 1}, "mask_channels follows from num_classes"),
        ({"seed": "x"}, "seed must be an int, got 'x'"),
    ],
)
def test_refuses_what_is_no_part(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiffusionUNet3D(2, **SMALL, **arguments)


def test_refuses_a_strategy_without_diffusion_and_names_the_network_for_it():
    with pytest.raises(ValueError, match="got 'supervised'; SegmentationUNet3D is"):
        DiffusionUNet3D(2, 1, None, "supervised", **SMALL)


def test_refuses_an_argument_that_does_not_exist():
    for model in (SegmentationUNet3D, DiffusionUNet3D):
        with pytest.raises(TypeError, match="has no argument 'num_chanels'"):
            model(2, num_chanels=(4,))
    with pytest.raises(TypeError, match="has no argument 'strategy'"):
        SegmentationUNet3D(2, strategy="recycling")


def test_an_uncompiled_model_is_saved(tmp_path):
    model = DiffusionUNet3D(3, **SMALL)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    image, _ = _two_halves(1)
    np.testing.assert_array_equal(
        model.predict(image, verbose=0), loaded.predict(image, verbose=0)
    )


@pytest.mark.parametrize("kind", ["uint8", "float32", "dict", "dataset of dicts"])
def test_labels_may_have_any_type_and_a_channel_axis_and_lie_in_a_dict(kind):
    image, label = toy_volumes()

    def losses(*data):
        model = _model(strategy="supervised")
        model.run_eagerly = True
        return model.fit(*data, verbose=0, shuffle=False).history

    given = {"image": image, "label": label[..., np.newaxis]}
    if kind == "dict":
        found = losses(given)
    elif kind == "dataset of dicts":
        found = losses(tf.data.Dataset.from_tensors(given))
    else:
        found = losses(image, given["label"].astype(kind))
    assert found == losses(image, label)


def test_arguments_of_an_earlier_version_are_taken_with_a_warning():
    with pytest.warns(DeprecationWarning, match="eta, num_timesteps will not be taken"):
        model = DiffusionUNet3D(3, num_timesteps=3, eta=0.5, **SMALL)
    assert model.get_config()["sampler"] == "ddim:eta=0.5"
    with pytest.warns(DeprecationWarning, match="SegmentationUNet3D"):
        baseline = DiffusionUNet3D(3, strategy="supervised", **SMALL)
    assert type(baseline) is SegmentationUNet3D
    assert baseline.num_steps == 1


@pytest.mark.parametrize(
    "strategy",
    ["recycling", pytest.param("self_conditioning", marks=pytest.mark.slow)],
)
def test_a_network_of_two_branches_sees_the_image_once(strategy, monkeypatch, tmp_path):
    image, label = _two_halves(2)
    model = _model(**TWO_LEVELS, strategy=strategy, mask_branch=(4,), dropout=0.1)
    model.fit(image, label, batch_size=2, verbose=0)
    calls = []
    for name in ("image_model", "mask_model"):
        branch = getattr(model._branches, name)

        def counted(*args, name=name, branch=branch, **kwargs):
            calls.append(name)
            return branch(*args, **kwargs)

        monkeypatch.setattr(model._branches, name, counted)
    trajectory = model.sample_trajectory(tf.constant(image), tf.constant([0, 0]))
    assert calls.count("image_model") == 1 and "mask_model" in calls
    assert trajectory.shape[0] == 5
    samples = model.sample(image, tf.constant([[0, 5], [0, 6]]))
    assert calls.count("image_model") == 2
    np.testing.assert_array_equal(samples[..., 0, :], trajectory[-1])
    np.testing.assert_array_equal(samples[..., 1, :], model.sample(image, [5, 6]))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    # A graph rounds sums differently.
    np.testing.assert_allclose(
        loaded.predict(image, verbose=0), trajectory.numpy()[-1], atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("mask_output", ["features", "logits"])
def test_recycling_adds_one_light_pass_without_gradient(mask_output):
    image, label = _two_halves(1)
    options = {**TWO_LEVELS, "mask_branch": (4,), "mask_output": mask_output}
    flops = {}
    for strategy in ("recycling", "diffusion"):
        model = _model(**options, strategy=strategy)
        step = tf.function(lambda model=model: model.train_step((image, label)))
        flops[strategy] = graph_flops(step.get_concrete_function().graph)
    x_t = tf.zeros([*image.shape[:4], model.num_classes])
    features = model.encode(image)
    light = tf.function(lambda: model.denoise(features, x_t, tf.constant([0.4])))
    light_flops = graph_flops(light.get_concrete_function().graph)
    assert flops["recycling"] - flops["diffusion"] == light_flops > 0


@pytest.mark.parametrize(
    "sampler",
    [
        lambda diffusion: DDIMSampler(diffusion.respaced(3), eta=0.25),
        lambda diffusion: DDIMSampler(diffusion, clip_x_start=False),
        lambda diffusion: "ddpm:num_timesteps=3",
        lambda diffusion: "ddim:eta=0.25",
    ],
)
def test_compile_chooses_a_sampler_that_is_saved_with_its_options(sampler):
    model = DiffusionUNet3D(3, **SMALL)
    with pytest.raises(ValueError, match="sampler must be one of ddim, ddpm"):
        model.compile("adam", sampler="magic")
    model.compile("adam", sampler=sampler(model.diffusion))
    loaded = DiffusionUNet3D.from_config(model.get_config()).sampler
    assert type(loaded) is type(model.sampler)
    assert loaded.options == model.sampler.options
    np.testing.assert_array_equal(
        loaded.diffusion.alphas_cumprod, model.sampler.diffusion.alphas_cumprod
    )
