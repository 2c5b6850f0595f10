"""A tiny model of random weights, and the SavedModel made of it."""

import gzip

import keras
import nibabel as nib
import numpy as np
import tensorflow as tf

from tf_diffseg.inference import Segmenter, SlidingWindow
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.serving import export_saved_model
from tf_diffseg.training.flat_network import flat_network

LABEL_VALUES = (0, 4, 7)
SEEDS = np.array([3, 11], np.int32)


class ExportedToy:
    """A model, its `Segmenter`, and the export of it.

    Args:
        folder: folder of the export's versions.
        preprocessing: arguments of the `VolumePreprocessor`.
        window_shape: window of a `SlidingWindow`; None for whole volumes.
        model_options: arguments of the `DiffusionUNet3D`.
        preprocessor: a preprocessor to use instead of one by `preprocessing`.
        **options: arguments of `export_saved_model`.
    """

    def __init__(
        self,
        folder,
        preprocessing=None,
        window_shape=None,
        model_options=None,
        preprocessor=None,
        **options,
    ):
        # Other weights may find a class nowhere.
        keras.utils.set_random_seed(0)
        self.model = flat_network(
            num_classes=3,
            num_channels=(4, 8),
            num_timesteps=2,
            **(model_options or {}),
        )
        rng = np.random.default_rng(0)
        for weight in self.model.trainable_variables:
            weight.assign_add(rng.normal(scale=0.2, size=weight.shape))
        sample = self.model.sample
        if window_shape is not None:
            sample = SlidingWindow(sample, window_shape, (3,))
        if preprocessing is None:
            preprocessing = {"spacing_mm": (1.0, 1.0, 1.5), "volume_shape": (8, 8, 6)}
        preprocessor = preprocessor or VolumePreprocessor(**preprocessing)
        self.segmenter = Segmenter(
            sample,
            preprocessor,
            LABEL_VALUES,
            shares_encoding=bool(self.model.mask_branch),
        )
        card = {
            "preprocessing": preprocessor.get_config(),
            "label_values": LABEL_VALUES,
            "class_names": ["background", "one", "two"],
            "targets": {},
        }
        self.path = export_saved_model(
            self.segmenter, self.model, folder, card, **options
        )
        self.loaded = tf.saved_model.load(str(self.path))
        self.signatures = self.loaded.signatures

    def run(self, name, **inputs):
        """Runs a signature, and gives a dict of arrays."""
        inputs = {key: tf.constant(value) for key, value in inputs.items()}
        outputs = self.signatures[name](**inputs)
        return {key: value.numpy() for key, value in outputs.items()}


def preprocessed(batch_size=2, shape=(7, 6, 5)):
    """Images for `serving_default`."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch_size, *shape, 1)).astype(np.float32)


def volumes():
    """Two volumes as in files, of different orientation and spacing."""
    rng = np.random.default_rng(2)
    image = rng.normal(100.0, 30.0, (2, 9, 7, 8, 1)).astype(np.float32)
    affine = np.stack([np.eye(4), np.eye(4)]).astype(np.float32)
    affine[0, :3, :3] = np.diag([-1.0, 1.2, 1.5])
    affine[1, :3, :3] = np.array([[0, 0, 1.1], [0.9, 0.1, 0], [0, -1.3, 0]])
    return image, affine


def good_requests():
    """Dict from each signature to inputs that it takes."""
    image, affine = volumes()
    return {
        "serving_default": {"image": preprocessed(), "seed": SEEDS},
        "segment_volume": {"image": image, "affine": affine, "seed": SEEDS},
        "segment_nifti": {"contents": nifti_files(), "seed": SEEDS},
    }


def nifti_files(compressed=True):
    """Bytes of NIfTI files of `volumes`."""
    image, affine = volumes()
    files = [
        nib.Nifti1Image(voxels[..., 0], matrix).to_bytes()
        for voxels, matrix in zip(image, affine, strict=True)
    ]
    return [gzip.compress(file) for file in files] if compressed else files
