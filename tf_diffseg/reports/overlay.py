"""A picture of one case: three planes with the true and predicted outlines.

If it is given, a second row shows the uncertainty of the prediction.
"""

import numpy as np

from tf_diffseg.reports.plane_picture import TEXT, PlanePicture


def foreground_centre(label, ignored_id=None):
    """Voxel (3,) at the centre of all foreground, or of a volume without any."""
    foreground = np.argwhere((label > 0) & (label != ignored_id))
    if not len(foreground):
        return tuple(size // 2 for size in label.shape)
    return tuple(int(value) for value in np.rint(foreground.mean(axis=0)))


def save_overlay(
    path,
    image,
    ground_truth=None,
    predicted=None,
    spacing_mm=(1.0, 1.0, 1.0),
    class_names=None,
    title=None,
    uncertainty=None,
    largest_uncertainty=None,
    dpi=110,
    ignored_id=None,
    **format_options,
):
    """Draws an image with outlines: true ones dashed, predicted ones solid.

    Voxels whose true class is not known are shaded, without an outline. The planes go
    through the centre of the foreground of `ground_truth`, or of `predicted` if there
    is no `ground_truth`.

    Args:
        path: file to write, with an ending that matplotlib knows; its folder is made.
            Or a binary file object.
        image: (x, y, z) or (x, y, z, c), whose first channel is shown.
        ground_truth: integer class ids (x, y, z), or None.
        predicted: integer class ids (x, y, z), or None.
        spacing_mm: (x, y, z) voxel size, for the aspect.
        class_names: names of the classes, background first; None numbers them.
        title: one line above the picture, or None.
        uncertainty: float (x, y, z), not negative, shown in a second row; or None.
        largest_uncertainty: value of the brightest colour; default: the maximum.
        dpi: pixels per inch of the picture, which is 12 inches wide.
        ignored_id: class id in `ground_truth` of voxels whose class is not known, or
            None.
        **format_options: options of matplotlib's `savefig`, such as format.

    Raises:
        ValueError: a label map or the uncertainty does not have the image's shape.
    """
    image = _first_channel(image)
    ground_truth, is_ignored = _without_ignored(ground_truth, ignored_id)
    # The prediction is drawn last, over the truth.
    outlines: list[tuple] = []
    if ground_truth is not None:
        outlines.append(("ground truth", ground_truth, (0, (4, 2.5))))
    if predicted is not None:
        outlines.append(("predicted", np.asarray(predicted), "solid"))
    for name, volume, _ in [*outlines, ("uncertainty", uncertainty, None)]:
        if volume is not None and np.shape(volume) != image.shape:
            raise ValueError(
                f"{name} must have the image's shape {image.shape}, got "
                f"{np.shape(volume)}"
            )
    labels = [label for _, label, _ in outlines]
    centre = foreground_centre(labels[0] if labels else np.zeros(image.shape, int))
    num_rows = 1 if uncertainty is None else 2
    picture = PlanePicture(image, spacing_mm, centre, num_rows, 12.0, 0.0, 1.3)
    picture.figure.get_layout_engine().set(h_pad=0.1, w_pad=0.08)
    picture.draw(0, image, outlines, is_ignored)
    if uncertainty is not None:
        uncertainty = np.asarray(uncertainty, np.float32)
        largest = largest_uncertainty or max(float(uncertainty.max()), 1e-6)
        picture.draw_uncertainty(1, image, uncertainty, largest)
    picture.draw_legend(labels, class_names, is_ignored is not None, outlines)
    if title:
        picture.figure.suptitle(title, color=TEXT, fontsize=15, fontweight="bold")
    picture.save(path, dpi, **format_options)


def save_overlay_rows(
    path, rows, spacing_mm=(1.0, 1.0, 1.0), class_names=None, ignored_id=None
):
    """Draws several volumes of one shape below one another, with outlines, to PNG.

    All volumes are cut at the same planes, through the centre of the foreground of the
    first one, and have the grey scale of the first one.

    Args:
        path: PNG file to write; its folder is made.
        rows: triples of a name, an image (x, y, z) or (x, y, z, c), whose first channel
            is shown, and integer class ids (x, y, z).
        spacing_mm: as in `save_overlay`.
        class_names: as in `save_overlay`.
        ignored_id: as in `save_overlay`.
    """
    images = [_first_channel(image) for _, image, _ in rows]
    known = [_without_ignored(label, ignored_id) for _, _, label in rows]
    labels = [label for label, _ in known]
    centre = foreground_centre(labels[0])
    picture = PlanePicture(images[0], spacing_mm, centre, len(rows), 9.0, 0.3, 0.6)
    for row, (name, _, _) in enumerate(rows):
        outlines = [(name, labels[row], "solid")]
        picture.draw(row, images[row], outlines, known[row][1], name)
    has_ignored = any(is_ignored is not None for _, is_ignored in known)
    picture.draw_legend(labels, class_names, has_ignored)
    picture.save(path, dpi=110)


def _first_channel(image):
    image = np.asarray(image, np.float32)
    return image[..., 0] if image.ndim == 4 else image


def _without_ignored(label, ignored_id):
    """Label map with ignored voxels as background, and their bool mask or None."""
    if label is None:
        return None, None
    label = np.asarray(label)
    if ignored_id is None or not (label == ignored_id).any():
        return label, None
    return np.where(label == ignored_id, 0, label), label == ignored_id
