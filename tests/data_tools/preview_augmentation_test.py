"""The preview shows the augmentation of the flags or of a run."""

import json
import shutil

import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

from data_tools.inspection.augmentation_preview import preview
from tests.commands import run_module
from tf_diffseg.data.example_schema import encode_example
from tf_diffseg.data.manifest import Manifest, Shard, Split
from tf_diffseg.errors import InputError
from tf_diffseg.reports.overlay import save_overlay_rows


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Shards of two cases, one of them without foreground."""
    folder = tmp_path_factory.mktemp("shards")
    file_name = "toy-train.tfrecord-00000-of-00001"
    label = np.zeros((12, 14, 10), int)
    label[3:9, 4:9, 3:7] = 1
    with tf.io.TFRecordWriter(str(folder / file_name)) as writer:
        for uid, class_ids in (("empty", 0 * label), ("full", label)):
            image = np.random.default_rng(0).normal(size=label.shape) + 3 * class_ids
            writer.write(
                encode_example(
                    uid=uid,
                    image=image[..., np.newaxis],
                    label=class_ids,
                    spacing_mm=(1.0, 1.0, 2.0),
                    source_affine=np.eye(4),
                    source_label=class_ids,
                )
            )
    splits = {"train": Split(["empty", "full"], [Shard(file_name, 2, "")], {})}
    classes = ["background", "organ"]
    Manifest("toy", "MRI", "CC0", classes, [0, 1], ["T1"], {}, splits).write(folder)
    return folder


def _pixels(path):
    return matplotlib.image.imread(path)[..., :3]


def _green(pixels):
    """Mask of the pixels in the colour of class 1."""
    return np.abs(pixels - np.array([0x4C, 0xD0, 0x7D]) / 255).max(axis=-1) < 0.02


def _preview(path, data_dir, options=None, **arguments):
    preview(path, data_dir, options or {}, **arguments)
    return _pixels(path)


@pytest.fixture(scope="module")
def one_draw(data_dir, tmp_path_factory):
    """Picture of the case "full" and one version without augmentation."""
    path = tmp_path_factory.mktemp("preview") / "a.png"
    return _preview(path, data_dir, uid="full", num_draws=1)


def test_one_row_for_the_case_and_one_for_each_version(data_dir, tmp_path, one_draw):
    four = _preview(tmp_path / "a.png", data_dir, uid="full", num_draws=3)
    assert 1.6 < four.shape[0] / one_draw.shape[0] < 2.0
    green = _green(four)[: int(0.95 * len(four))]
    assert all(part.any() for part in np.array_split(green, 4))


def test_options_and_seeds_change_the_picture(data_dir, tmp_path, one_draw):
    noise = {"noise_probability": 1.0, "noise": 2.0}
    other_seed, noisy = (
        _preview(
            tmp_path / "a.png", data_dir, options, uid="full", num_draws=1, seed=seed
        )
        for options, seed in (({}, 7), (noise, 0))
    )
    # The names of the rows hold the seed.
    assert np.abs(one_draw - noisy).mean() > 5 * np.abs(one_draw - other_seed).mean()


def test_first_case_by_default_and_without_foreground(data_dir, tmp_path):
    first = _preview(tmp_path / "a.png", data_dir, num_draws=1)
    empty = _preview(tmp_path / "a.png", data_dir, uid="empty", num_draws=1)
    np.testing.assert_array_equal(first, empty)


def test_rows_are_cut_at_the_planes_of_the_first(tmp_path):
    image = np.random.default_rng(0).normal(size=(9, 9, 9))
    label = np.zeros((9, 9, 9), int)
    label[1:4, 1:4, 1:4] = 1
    moved = np.roll(label, 5, axis=(0, 1, 2))
    save_overlay_rows(tmp_path / "a.png", [("a", image, label), ("a", image, moved)])
    green = _green(_pixels(tmp_path / "a.png"))
    half = len(green) // 2
    assert green[: half - 20].any()
    # The moved label is not in those planes; the legend is below.
    assert not green[half + 20 : int(0.9 * len(green))].any()


def _command(**flag_values):
    flags = [f"--{name}={value}" for name, value in flag_values.items()]
    return run_module("data_tools.preview_augmentation", *flags)


def test_command_takes_a_run_and_flags(data_dir, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    config = {"noise_probability": 1.0, "epochs": 3}
    (run / "config.json").write_text(json.dumps(config))
    output = tmp_path / "new" / "preview.png"
    process = _command(
        data_dir=data_dir, output=output, model_dir=run, flip_axes="x", num_draws=1
    )
    assert process.returncode == 0, process.stderr
    assert output.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "flag_values, message",
    [
        ({"uid": "x"}, "--uid=x is no case of the split train of"),
        ({"zoom": -1}, "--zoom must be at least 0.0, got -1.0"),
        ({"output": "x.jpg"}, "--output=x.jpg must be a .png file"),
        ({"model_dir": "nowhere"}, "nowhere/config.json is not the config of a run"),
    ],
)
def test_refuses_in_one_line(data_dir, tmp_path, flag_values, message):
    process = _command(
        **{"data_dir": data_dir, "output": tmp_path / "a.png", **flag_values}
    )
    assert process.returncode == 1
    assert message in process.stderr and len(process.stderr.splitlines()) == 1


def test_a_damaged_case_is_named_with_its_shard(data_dir, tmp_path):
    folder = shutil.copytree(data_dir, tmp_path / "damaged")
    (shard,) = folder.glob("*.tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-9])
    preview(tmp_path / "a.png", folder, {}, uid="empty", num_draws=1)
    message = f"case 'full', record 1 of the shard {shard}, cannot be read; see"
    with pytest.raises(InputError, match=message):
        preview(tmp_path / "b.png", folder, {}, uid="full", num_draws=1)


def test_a_case_that_is_in_no_shard_is_named(data_dir, tmp_path):
    folder = shutil.copytree(data_dir, tmp_path / "uncounted")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["splits"]["train"]["shards"][0]["num_examples"] = 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="case 'full', the shards in .* cannot be"):
        preview(tmp_path / "a.png", folder, {}, uid="full", num_draws=1)
