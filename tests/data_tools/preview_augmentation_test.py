"""The preview shows the augmentation that the flags or a run configure."""

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
        for uid, of_case in (("empty", 0 * label), ("full", label)):
            image = np.random.default_rng(0).normal(size=label.shape) + 3 * of_case
            writer.write(
                encode_example(
                    uid=uid,
                    image=image[..., np.newaxis],
                    label=of_case,
                    spacing_mm=(1.0, 1.0, 2.0),
                    source_affine=np.eye(4),
                    source_label=of_case,
                )
            )
    split = Split(["empty", "full"], [Shard(file_name, 2, "")], {})
    manifest = Manifest(
        "toy", "MRI", "CC0", ["background", "organ"], [0, 1], ["T1"], {}, {}
    )
    manifest.splits["train"] = split
    manifest.write(folder)
    return folder


def _pixels(path):
    return matplotlib.image.imread(path)[..., :3]


def test_one_row_for_the_case_and_one_for_each_version(data_dir, tmp_path):
    paths = [tmp_path / f"{num}.png" for num in (1, 3)]
    for path, num_draws in zip(paths, (1, 3), strict=True):
        preview(path, data_dir, {}, uid="full", num_draws=num_draws)
    two, four = (_pixels(path) for path in paths)
    assert 1.6 < four.shape[0] / two.shape[0] < 2.0
    green = np.abs(four - np.array([0x4C, 0xD0, 0x7D]) / 255).max(axis=-1) < 0.02
    rows = [part.any() for part in np.array_split(green[: int(0.95 * len(green))], 4)]
    assert all(rows)


def test_options_and_seeds_change_the_picture(data_dir, tmp_path):
    pictures = []
    for number, (options, seed) in enumerate(
        [({}, 0), ({}, 7), ({"noise_probability": 1.0, "noise": 2.0}, 0)]
    ):
        path = tmp_path / f"{number}.png"
        preview(path, data_dir, options, uid="full", num_draws=1, seed=seed)
        # The names of the rows tell the seed.
        pictures.append(_pixels(path))
    same, noisy = (
        np.abs(pictures[0] - other).mean() for other in (pictures[1], pictures[2])
    )
    assert noisy > 5 * same


def test_first_case_by_default_and_without_foreground(data_dir, tmp_path):
    preview(tmp_path / "a.png", data_dir, {}, num_draws=1)
    preview(tmp_path / "b.png", data_dir, {}, uid="empty", num_draws=1)
    np.testing.assert_array_equal(
        _pixels(tmp_path / "a.png"), _pixels(tmp_path / "b.png")
    )


def test_rows_are_cut_at_the_planes_of_the_first(tmp_path):
    image = np.random.default_rng(0).normal(size=(9, 9, 9))
    label = np.zeros((9, 9, 9), int)
    label[1:4, 1:4, 1:4] = 1
    moved = np.roll(label, 5, axis=(0, 1, 2))
    save_overlay_rows(tmp_path / "a.png", [("a", image, label), ("a", image, moved)])
    pixels = _pixels(tmp_path / "a.png")
    green = np.abs(pixels - np.array([0x4C, 0xD0, 0x7D]) / 255).max(axis=-1) < 0.02
    half = len(green) // 2
    assert green[: half - 20].any()
    # What moved away is not in those planes; the legend comes below.
    assert not green[half + 20 : int(0.9 * len(green))].any()


def _command(**flag_values):
    flags = [f"--{name}={value}" for name, value in flag_values.items()]
    return run_module("data_tools.preview_augmentation", *flags)


def test_command_takes_a_run_and_flags(data_dir, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(
        json.dumps({"noise_probability": 1.0, "epochs": 3})
    )
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
        ({"output": "/proc/x.png"}, "error: cannot write /proc/x.png: "),
        ({"model_dir": "nowhere"}, "nowhere/config.json is not the config of a run"),
    ],
)
def test_refuses_in_one_line(data_dir, tmp_path, flag_values, message):
    process = _command(
        **{"data_dir": data_dir, "output": tmp_path / "a.png", **flag_values}
    )
    assert process.returncode == 1
    assert message in process.stderr and len(process.stderr.splitlines()) == 1


def test_a_case_that_is_damaged_is_named_with_its_shard(data_dir, tmp_path):
    folder = shutil.copytree(data_dir, tmp_path / "damaged")
    (shard,) = folder.glob("*.tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-9])
    preview(tmp_path / "a.png", folder, {}, uid="empty", num_draws=1)
    message = f"case 'full', record 1 of the shard {shard}, cannot be read; see"
    with pytest.raises(InputError, match=message):
        preview(tmp_path / "b.png", folder, {}, uid="full", num_draws=1)


def test_a_case_that_no_shard_counts_is_named(data_dir, tmp_path):
    folder = shutil.copytree(data_dir, tmp_path / "uncounted")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["splits"]["train"]["shards"][0]["num_examples"] = 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="case 'full', the shards in .* cannot be"):
        preview(tmp_path / "a.png", folder, {}, uid="full", num_draws=1)
