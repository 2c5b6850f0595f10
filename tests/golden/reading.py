"""Reads files of earlier code by public names, and returns their contents.

`make_golden.py` stores the results of these functions, and `written_before_test.py`
compares the results of later code with them. Names that move between modules are
imported only here.
"""

import hashlib
import json

import nibabel as nib
import numpy as np
import tensorflow as tf

from tf_diffseg import DiffusionUNet3D, evaluation_dataset, load_segmenter
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.volumes.volume_files import image_of

NETWORK = {"num_channels": (2, 2), "num_blocks": (1, 1), "num_heads": 1}
# One for each way to train and each mask encoding.
MODELS = {
    "recycling": {"num_classes": 3},
    "supervised": {"num_classes": 3, "strategy": "supervised"},
    "self_conditioning": {"num_classes": 3, "strategy": "self_conditioning"},
    "regions": {"num_classes": 2, "regions": [[1, 2], [2]], "sampler": "ddpm"},
}
_SEED = 3


def cases(data_dir):
    """Dict from "split/uid/key" to the contents of shards: for arrays, a SHA-256."""
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
        # A text as NumPy 2 shows it.
        return f"np.bytes_({value!r})" if isinstance(value, bytes) else str(array)
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"{array.dtype} {array.shape} {digest}"


def model(name):
    """A new model with the arguments of the saved one."""
    return DiffusionUNet3D(**MODELS[name], **NETWORK)


def weights(loaded):
    """The number of trained weights, and their SHA-256 in any order."""
    digests = sorted(_digest(w.numpy()) for w in loaded.trainable_variables)
    return f"{len(digests)} {hashlib.sha256(str(digests).encode()).hexdigest()}"


def probabilities(loaded):
    """A sample of a model for a small volume, float32 [x, y, z, num_classes]."""
    image = _small_image()[np.newaxis]
    return loaded.sample(tf.constant(image), tf.constant([_SEED]))[0].numpy()


def losses(loaded):
    """The dict that `evaluate` of a compiled model returns for a small volume."""
    image = _small_image()[np.newaxis]
    label = (image[..., 0] > 0.5).astype(np.int32) + (image[..., 0] > 1.2)
    return loaded.evaluate(image, label, verbose=0, return_dict=True)


def _small_image():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 6, 4, 1)).astype(np.float32)


def label_map(model_dir, scan):
    """The label map of a scan by a run or an export, int [i, j, k]."""
    return np.asarray(load_segmenter(model_dir)(nib.load(scan)).dataobj)


def segmentation(model_dir, scan):
    """The `Segmentation` of a scan by a run or an export, with uncertainty."""
    segmenter = load_segmenter(model_dir)
    return segmenter.segment(image_of(nib.load(scan)), with_uncertainty=True)


def served_probabilities(export_dir):
    """A sample of an export as on a server, float32 [x, y, z, num_classes]."""
    loaded = tf.saved_model.load(str(export_dir))
    serve = loaded.signatures["serving_default"]
    image = tf.constant(_small_image()[np.newaxis])
    return serve(image=image, seed=tf.constant([_SEED]))["probabilities"][0].numpy()


def last_metrics(model_dir):
    """The logged values of the last epoch of a run, by name."""
    text = (model_dir / "metrics.jsonl").read_text(encoding="utf-8")
    return json.loads(text.splitlines()[-1])
