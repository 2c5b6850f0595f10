"""The files that the documents speak of, small: DATA, SHARDS, RUN, EXPORT, ..."""

import shutil

import numpy as np

from tests.commands import run_module

# Makes a command of the documents cheap; of a flag that is given twice the last counts.
SMALLER = {
    "data_tools.convert_nifti": ["--spacing_mm=12,12,12", "--volume_shape=8,8,8"],
    "experiments.compare": ["--strategies=recycling,supervised"],
}
_SMALL_RUN = [
    "--patch_shape=8,8,8",
    "--epochs=1",
    "--num_channels=4,8",
    "--num_blocks=1,1",
    "--num_heads=0",
    "--scale_factor=2,2,2",
    "--kernel_size=3,3,3",
    "--validation_pictures=0",
]
SMALLER["experiments.train"] = _SMALL_RUN
SMALLER["experiments.compare"] += _SMALL_RUN
SMALLER_PYTHON = {
    "(48, 48, 48)": "(8, 8, 8)",
    "(16, 32, 64, 128)": "(4, 8)",
    "epochs=100": "epochs=1",
    "epochs=20": "epochs=1",
}
# The flag that names what a command makes, which must not be there yet.
_MAKES = {
    "data_tools.convert_nifti": "output_dir",
    "data_tools.make_phantom": "output_dir",
    "experiments.train": "model_dir",
}


def run(folder, words, makes=True):
    """Runs `python -m module ...`, made small, and returns what it did.

    Args:
        folder: the folder to run it in.
        words: of the command.
        makes: whether what it makes is removed before.
    """
    module, *given = words[2:]
    for word in given:
        if makes and word.startswith(f"--{_MAKES.get(module)}="):
            shutil.rmtree(folder / word.partition("=")[2], ignore_errors=True)
    return run_module(module, *given, *SMALLER.get(module, []), folder=folder)


def make(folder):
    """Makes the files in a folder, by the commands of the documents."""
    for line in (
        "data_tools.make_phantom --output_dir=DATA --num_cases=8 --seed=0",
        "data_tools.convert_nifti --dataset_json=DATA/dataset.json --output_dir=SHARDS "
        "--split=train=0.5,validation=0.25,test=0.25",
        "experiments.train --data_dir=SHARDS --model_dir=RUN --config=msd_hippocampus",
        "experiments.evaluate --data_dir=SHARDS --model_dir=RUN --output_dir=RESULTS",
        "experiments.export --model_dir=RUN --export_dir=EXPORT",
    ):
        done = run(folder, ["python", "-m", *line.split()])
        assert done.returncode == 0, done.stdout + done.stderr
    for copy in ("RUN1", "RUN2"):
        shutil.copytree(folder / "RUN", folder / copy)
    for copy in ("RESULTS1", "RESULTS2"):
        shutil.copytree(folder / "RESULTS", folder / copy)
    scan, other, *_ = sorted((folder / "DATA" / "imagesTr").iterdir())
    shutil.copy(scan, folder / "image.nii.gz")
    (folder / "damaged.nii.gz").write_bytes(scan.read_bytes()[:-1000])
    damaged = shutil.copytree(folder / "RUN", folder / "DAMAGED") / "checkpoints"
    (newest, *_) = sorted(damaged.glob("epoch-*.keras"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])
    (folder / "scans").mkdir()
    shutil.copy(scan, folder / "scans" / "a_t1.nii.gz")
    shutil.copy(other, folder / "scans" / "b_t1.nii.gz")


def names(document):
    """The names that the Python blocks of a document take for given."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 8, 8, 8, 1)).astype(np.float32)
    label = rng.integers(0, 3, (2, 8, 8, 8)).astype(np.int32)
    if document != "docs/training.md":
        return {"image": image, "label": label, "new_image": image[:1]}
    import tensorflow as tf

    import tf_diffseg

    model = tf_diffseg.DiffusionUNet3D(3, num_channels=(4, 8), num_heads=0)
    model.compile("adamw")
    batches = tf.data.Dataset.from_tensor_slices((image, label)).batch(2)
    return {
        "model": model,
        "batches_from": lambda epoch, step: batches.repeat(),
        "steps_per_epoch": 1,
        "validation": batches,
    }
