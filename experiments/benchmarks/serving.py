"""An exported model: its latency beside the sampler in Python, its start and memory."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import nibabel as nib
import numpy as np
import tensorflow as tf

from experiments.benchmarks.timing import interleaved_medians
from tf_diffseg.inference import Segmenter, SlidingWindow
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.serving import export_saved_model
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D

VOLUME_SHAPE = (40, 56, 40)
NUM_CLASSES = 3
NUM_CHANNELS = (16, 32, 64, 128)

# The start of a server: it loads the model, and answers two requests.
_COLD_START = """
import json, sys, time
started = time.perf_counter()
import tensorflow as tf
imported = time.perf_counter()
model = tf.saved_model.load(sys.argv[1])
loaded = time.perf_counter()
image = tf.random.stateless_normal([1, *map(int, sys.argv[2:]), 1], [0, 0])
run = lambda: model.signatures["serving_default"](image=image, seed=tf.constant([0]))
run()["label"].numpy()
first = time.perf_counter()
run()["label"].numpy()
# getrusage would begin with the peak of the process that started this one.
with open("/proc/self/status") as status:
    (peak,) = [line.split()[1] for line in status if line.startswith("VmHWM:")]
print(json.dumps({
    "import_tensorflow_s": imported - started,
    "load_s": loaded - imported,
    "first_request_s": first - loaded,
    "second_request_s": time.perf_counter() - first,
    "peak_memory_mib": int(peak) / 1024,
}))
"""


def run(repeats):
    """Times the signatures of an export, and a process that starts with it.

    `default_over_sampler` is the latency of `serving_default` over that of the sampler
    in Python, `nifti_over_segmenter` that of `segment_nifti` over that of the
    segmenter.
    """
    model = DiffusionUNet3D(NUM_CLASSES, num_channels=NUM_CHANNELS)
    sample = SlidingWindow(model.sample, VOLUME_SHAPE, (NUM_CLASSES,))
    preprocessor = VolumePreprocessor(volume_shape=VOLUME_SHAPE)
    segmenter = Segmenter(sample, preprocessor, range(NUM_CLASSES))
    with tempfile.TemporaryDirectory() as folder:
        path = export_saved_model(segmenter, model, folder, {})
        num_bytes = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        return {
            "volume": "x".join(map(str, VOLUME_SHAPE)),
            **_latency(model, segmenter, path, repeats),
            **_cold_start(path),
            "export_mib": num_bytes / 2**20,
        }


def _latency(model, segmenter, path, repeats):
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    serve_nifti = loaded.signatures["segment_nifti"]
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=VOLUME_SHAPE).astype(np.float32)
    contents = tf.constant([nib.Nifti1Image(voxels, np.eye(4)).to_bytes()])
    raw = tf.constant(voxels[..., np.newaxis])
    image, seed = raw[tf.newaxis], tf.constant([0])
    sampler, segment = tf.function(model.sample), tf.function(segmenter)
    affine = tf.eye(4)
    seconds = interleaved_medians(
        {
            "sampler": lambda: sampler(image, seed).numpy(),
            "default": lambda: serve(image=image, seed=seed)["probabilities"].numpy(),
            "segmenter": lambda: segment(raw, affine, seed[0]).numpy(),
            "nifti": lambda: serve_nifti(contents=contents, seed=seed)["label"].numpy(),
        },
        repeats,
    )
    return {
        "sampler_s": seconds["sampler"],
        "serving_default_s": seconds["default"],
        "default_over_sampler": seconds["default"] / seconds["sampler"],
        "segmenter_s": seconds["segmenter"],
        "segment_nifti_s": seconds["nifti"],
        "nifti_over_segmenter": seconds["nifti"] / seconds["segmenter"],
    }


def _cold_start(path):
    process = subprocess.run(
        [sys.executable, "-c", _COLD_START, str(path), *map(str, VOLUME_SHAPE)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        cwd=pathlib.Path(path).parent,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(process.stdout.splitlines()[-1])
