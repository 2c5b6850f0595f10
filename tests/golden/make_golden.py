"""Writes the files of this folder, which hold data of the code of one commit.

    python -m tests.golden.make_golden

They were made at commit 1a36ad7 and stay as they are: files of later code would not
show that later code reads earlier files. If a later version adds something to the
formats, it gets its own files and its own script.

Commands and public names make every file, from volumes that this script draws. The
files are packed into `written.tar.xz` with `expected.json`, the exact values that the
same code reads from them. Arrays of floats are in `expected.npz`.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

import keras
import nibabel as nib
import numpy as np

from tests.golden import reading
from tf_diffseg import load_pretrained

_FOLDER = pathlib.Path(__file__).resolve().parent
_ROOT = _FOLDER.parents[1]

_NUM_CASES = 6
_SHAPE = (12, 12, 8)
# Not isotropic; the axes have neither the order nor the direction of the world's.
_AFFINE = [[0, -1.5, 0, 9], [1.0, 0, 0, -4], [0, 0, 2.0, 3], [0, 0, 0, 1]]

# Flags of the run.
_TRAINING = {
    "patch_shape": "12,12,8",
    "batch_size": 1,
    "learning_rate": 0.02,
    "warmup_steps": 0,
    "validation_frequency": 2,
    "validation_pictures": 0,
    "keep_checkpoints": 1,
    "ema": 0.9,
    "num_channels": "2,2",
    "num_blocks": "1,1",
    "num_heads": 1,
}


def _run_command(module, **flag_values):
    """Runs `python -m module --flag=value ...`; raises if it fails."""
    flags = [f"--{name}={value}" for name, value in flag_values.items()]
    subprocess.run([sys.executable, "-m", module, *flags], cwd=_ROOT, check=True)


def write_volumes(folder):
    """A data set in the layout of the Medical Segmentation Decathlon."""
    rng = np.random.default_rng(0)
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    training = []
    for index in range(_NUM_CASES):
        centre = np.array(_SHAPE) / 2 + rng.uniform(-1, 1, 3)
        places = np.indices(_SHAPE).T.T - centre[:, None, None, None]
        distance = np.sqrt(np.square(places).sum(axis=0))
        label = np.select([distance < 1.7, distance < 3.2], [2, 1]).astype(np.uint8)
        # Few values, so that the shards compress.
        image = (4 * label + rng.integers(0, 4, _SHAPE)).astype(np.int16)
        names = {"image": "imagesTr", "label": "labelsTr"}
        entry = {}
        for (key, place), array in zip(names.items(), (image, label), strict=True):
            volume = nib.Nifti1Image(array, np.array(_AFFINE, np.float64))
            volume.header.set_xyzt_units("mm")
            entry[key] = f"./{place}/case{index}.nii.gz"
            nib.save(volume, folder / place / f"case{index}.nii.gz")
        training.append(entry)
    fields = {
        "name": "Golden",
        "licence": "CC0 1.0",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "shell", "2": "core"},
        "numTraining": _NUM_CASES,
        "numTest": 0,
        "training": training,
        "test": [],
    }
    (folder / "dataset.json").write_text(json.dumps(fields))
    names = [f"case{index}" for index in range(_NUM_CASES)]
    splits = {"train": names[:3], "val": names[3:4], "test": names[4:]}
    (folder / "splits.json").write_text(json.dumps(splits))


def write_run(folder):
    """Converts the volumes, trains a run on them, and exports it."""
    _run_command(
        "data_tools.convert_nifti",
        dataset_json=folder / "volumes" / "dataset.json",
        split_file=folder / "volumes" / "splits.json",
        output_dir=folder / "shards",
        # The spacing of the files, so that images keep few values.
        spacing_mm="1.5,1,2",
        num_shards=2,
        num_workers=1,
    )
    _train(folder, "run", epochs=2)
    shutil.copytree(folder / "run", folder / "resumed")
    _train(folder, "resumed", epochs=3)
    _run_command(
        "experiments.export",
        model_dir=folder / "run",
        export_dir=folder / "export",
        server_files=False,
    )


def _train(folder, name, epochs):
    folders = {"data_dir": folder / "shards", "model_dir": folder / name}
    _run_command("experiments.train", **folders, **_TRAINING, epochs=epochs)


def write_models(folder):
    """Writes `.keras` files, and for one model also a file of weights."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in reading.MODELS:
        keras.utils.set_random_seed(0)
        model = reading.model(name)
        for weight in model.trainable_variables:
            # Values of few bits, so that the files compress.
            values = rng.normal(scale=0.5, size=weight.shape)
            weight.assign(np.round(16 * values) / 16)
        model.compile(keras.optimizers.AdamW(0.001))
        model.save(folder / f"{name}.keras")
        if name == "recycling":
            model.save_weights(folder / f"{name}.weights.h5")


def read_values(folder):
    """Returns the results of `reading`: a dict of arrays and a dict for JSON."""
    scan = folder / "volumes" / "imagesTr" / "case5.nii.gz"
    arrays, exact = {}, {"cases": reading.cases(folder / "shards"), "weights": {}}
    exact["losses"] = {}
    exact["resumed"] = reading.last_metrics(folder / "resumed")
    for path in sorted(folder.glob("models/*.keras")):
        model = keras.models.load_model(path)
        exact["weights"][path.name] = reading.weights(model)
        exact["losses"][path.name] = reading.losses(model)
        arrays[f"probabilities/{path.name}"] = reading.probabilities(model)
    exact["weights"]["run"] = reading.weights(load_pretrained(folder / "run"))
    segmentation = reading.segmentation(folder / "run", scan)
    arrays["run/label"] = segmentation.label
    arrays["run/entropy"] = segmentation.entropy
    arrays["export/label"] = reading.label_map(folder / "export" / "1", scan)
    arrays["export/probabilities"] = reading.served_probabilities(
        folder / "export" / "1"
    )
    return arrays, exact


def main():
    """Makes everything in a temporary folder and packs it."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_volumes(folder / "volumes")
        write_run(folder)
        write_models(folder / "models")
        arrays, exact = read_values(folder)
        np.savez_compressed(_FOLDER / "expected.npz", **arrays)
        text = json.dumps(exact, indent=1, sort_keys=True, default=float) + "\n"
        (folder / "expected.json").write_text(text, encoding="utf-8")
        shutil.rmtree(folder / "resumed")
        shutil.rmtree(folder / "run" / "logs")
        for path in (folder / "volumes").rglob("*.nii.gz"):
            if path.parent.name != "imagesTr" or path.name != "case5.nii.gz":
                path.unlink()
        with tarfile.open(_FOLDER / "written.tar.xz", "w:xz", preset=9) as archive:
            archive.add(folder, ".")


if __name__ == "__main__":
    main()
