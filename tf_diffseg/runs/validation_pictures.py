"""Pictures of validation cases: files in the run, and images for TensorBoard."""

import io

import tensorflow as tf

from tf_diffseg.data.augmentation.resampling import cut
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.windows import window_around
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
    window_shape,
    ignored_id=None,
):
    """Returns the callback that draws the first cases of the validation split.

    `run_dir/pictures/UID.png` is the one of the last validation; TensorBoard has those
    of all validations, in `run_dir/logs`.

    Args:
        shard_paths: shards of the validation split.
        num_cases: how many cases to draw.
        class_names: background first.
        region_labels: those of `Targets`.
        run_dir: folder of the run, a `pathlib.Path`.
        window_shape: (x, y, z) voxels of what is drawn, about the centre of the
            foreground: those of the patches that the network trains on.
        ignored_id: that of the `Manifest`.
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
        centre = foreground_centre(label, ignored_id)
        start = window_around(centre, label.shape, window_shape)
        window = cut(image, label, start, window_shape)
        return tuple(volume.numpy() for volume in window)

    cases = {uid: shown(case) for uid, case in by_uid.items()}
    return SegmentationImages(run_dir / "logs", cases, draw)
