"""Pictures of validation cases: files in the run, and images for TensorBoard."""

import io

import numpy as np
import tensorflow as tf

from tf_diffseg.data.input_pipeline import evaluation_dataset
from tf_diffseg.diffusion import probabilities_to_label
from tf_diffseg.reports.overlay import foreground_centre, save_overlay
from tf_diffseg.training.callbacks.segmentation_images import SegmentationImages
from tf_diffseg.whole_files import whole_file

_DPI = 60  # 720 pixels wide.


def validation_pictures(
    shard_paths,
    num_cases,
    class_names,
    region_labels,
    run_dir,
    ignored_id=None,
    slice_axis=None,
):
    """Returns the callback that draws the first cases of the validation split.

    `run_dir/pictures/UID.png` is the case as the last validation saw it; TensorBoard
    has those of all validations, in `run_dir/logs`.

    Args:
        shard_paths: shards of the validation split.
        num_cases: how many cases to draw.
        class_names: background first.
        region_labels: those of `Targets`.
        run_dir: folder of the run, a `pathlib.Path`.
        ignored_id: that of the `Manifest`.
        slice_axis: axis across which slices lie, if the network trains on slices: the
            slice at the centre of the foreground is drawn. None for whole volumes.
    """
    keys = ("uid", "image", "label", "spacing_mm")
    examples = evaluation_dataset(shard_paths, keys).take(num_cases)
    by_uid = {case["uid"].decode(): case for case in examples.as_numpy_iterator()}

    def draw(uid, image, label, probabilities):
        png = io.BytesIO()
        save_overlay(
            png,
            image,
            ground_truth=label,
            predicted=probabilities_to_label(probabilities, region_labels).numpy(),
            spacing_mm=by_uid[uid]["spacing_mm"],
            class_names=class_names,
            title=uid,
            ignored_id=ignored_id,
            dpi=_DPI,
            format="png",
        )
        with whole_file(run_dir / "pictures" / f"{uid}.png") as path:
            path.write_bytes(png.getvalue())
        return tf.io.decode_png(png.getvalue(), channels=3).numpy()

    def shown(case):
        image, label = case["image"], case["label"]
        if slice_axis is None:
            return [image, label]
        place = [foreground_centre(label, ignored_id)[slice_axis]]
        return [np.take(volume, place, axis=slice_axis) for volume in (image, label)]

    cases = {uid: tuple(shown(case)) for uid, case in by_uid.items()}
    return SegmentationImages(run_dir / "logs", cases, draw)
