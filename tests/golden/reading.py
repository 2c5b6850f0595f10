"""Reads what earlier code wrote, by public names, and says what is in it.

`make_golden.py` stores what these functions return, `written_before_test.py` holds
later code to it. Whatever moves between modules is imported here and nowhere else in
this folder.
"""

import hashlib
import json

import keras
import nibabel as nib
import numpy as np
import tensorflow as tf

from tf_diffseg import (
    DiffusionUNet3D,
    evaluation_dataset,
    load_pretrained,
    load_segmenter,
)
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.volumes.volume_files import image_of

NETWORK = {"num_channels": (2, 2), "num_blocks": (1, 1), "num_heads": 1}
# One for each way to train and to encode the mask.
MODELS = {
    "recycling": {"num_classes": 3},
    "supervised": {"num_classes": 3, "strategy": "supervised"},
    "self_conditioning": {"num_classes": 3, "strategy": "self_conditioning"},
    "regions": {"num_classes": 2, "regions": [[1, 2], [2]], "sampler": "ddpm"},
}
# Flags of the run.
TRAINING = {
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
_SEED = 3


def cases(data_dir):
    """Dict from "split/uid/key" to what a shard holds: of arrays a SHA-256."""
    manifest, found = read_manifest(data_dir), {}
    for split in manifest.splits:
        for case in evaluation_dataset(manifest.shard_paths(data_dir, split)):
            uid = case["uid"].numpy().decode()
            for key, value in case.items():
                found[f"{split}/{uid}/{key}"] = _digest(value.numpy())
    return found


def _digest(value):
    array = np.asarray(value)
    if not array.shape:
        return str(array)
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"{array.dtype} {array.shape} {digest}"


def model(name):
    """A new model, as those of the files were made."""
    return DiffusionUNet3D(**MODELS[name], **NETWORK)


def load_model(path):
    """The model of a `.keras` file."""
    return keras.models.load_model(path)


def load_network(model_dir):
    """The network of a run or an export, with averaged weights where there are some."""
    return load_pretrained(model_dir)


def weights(loaded):
    """How many trained weights there are, and SHA-256 of them, whatever their order."""
    digests = sorted(_digest(w.numpy()) for w in loaded.trainable_variables)
    return f"{len(digests)} {hashlib.sha256(str(digests).encode()).hexdigest()}"


def probabilities(loaded):
    """What a model samples for a small volume, float32 [x, y, z, num_classes]."""
    image = _small_image()[np.newaxis]
    return loaded.sample(tf.constant(image), tf.constant([_SEED]))[0].numpy()


def losses(loaded):
    """Dict of what `evaluate` says of a small volume; of a compiled model."""
    image = _small_image()[np.newaxis]
    label = (image[..., 0] > 0.5).astype(np.int32) + (image[..., 0] > 1.2)
    return loaded.evaluate(image, label, verbose=0, return_dict=True)


def _small_image():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 6, 4, 1)).astype(np.float32)


def label_map(model_dir, scan):
    """What a run or an export makes of a scan, int [i, j, k]."""
    return np.asarray(load_segmenter(model_dir)(nib.load(scan)).dataobj)


def entropy(model_dir, scan):
    """How unsure a run or an export is of a scan, float32 [i, j, k]."""
    segmenter = load_segmenter(model_dir)
    return segmenter.segment(image_of(nib.load(scan)), with_uncertainty=True).entropy


def served_probabilities(export_dir):
    """What an export samples as a server does, float32 [x, y, z, num_classes]."""
    loaded = tf.saved_model.load(str(export_dir))
    serve = loaded.signatures["serving_default"]
    image = tf.constant(_small_image()[np.newaxis])
    return serve(image=image, seed=tf.constant([_SEED]))["probabilities"][0].numpy()


def last_metrics(model_dir):
    """What a run logged for its last epoch, by name."""
    text = (model_dir / "metrics.jsonl").read_text(encoding="utf-8")
    return json.loads(text.splitlines()[-1])
