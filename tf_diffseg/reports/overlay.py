"""A picture of one case: three planes with the true and predicted outlines.

Below them, where it is given, how unsure the prediction is.
"""

import pathlib
import warnings

import numpy as np

_BACKGROUND = "#0b0d10"
_TEXT = "#e8eaed"
_COLOURS = (
    "#4cd07d", "#ff6b6b", "#5ab4ff", "#ffd166", "#c792ea",
    "#ff9f5a", "#4dd6d0", "#f48fb1", "#b5e34d", "#9fa8ff",
)  # fmt: skip
# Of voxels without a class.
IGNORED_COLOUR = "#8a8f98"
_IGNORED_ALPHA = 0.45
# Axes that are left when cutting at axis 0, 1, 2 of a RAS+ volume.
_PLANES = (("Sagittal", 1, 2), ("Coronal", 0, 2), ("Axial", 0, 1))


def foreground_centre(label, ignored_id=None):
    """Voxel (3,) at the centre of all foreground, or of an empty volume."""
    foreground = np.argwhere((label > 0) & (label != ignored_id))
    if not len(foreground):
        return tuple(size // 2 for size in label.shape)
    return tuple(int(value) for value in np.rint(foreground.mean(axis=0)))


def class_colour(class_id):
    """Colour of a foreground class, as #rrggbb; they repeat after ten classes."""
    return _COLOURS[(class_id - 1) % len(_COLOURS)]


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
    """Draws an image with outlines, true dashed and predicted solid.

    Voxels whose true class is not known are shaded, without an outline.

    The planes go through the centre of the foreground of `ground_truth`, or of
    `predicted` where that is not given.

    Args:
        path: file to write, of a type that matplotlib knows by its ending; its folder
            is made. Or a binary file object.
        image: (x, y, z) or (x, y, z, c), of which the first channel is shown.
        ground_truth: integer class ids (x, y, z), or None.
        predicted: integer class ids (x, y, z), or None.
        spacing_mm: (x, y, z) voxel size, for the aspect.
        class_names: name per class id, background first; None numbers them.
        title: one line above, or None.
        uncertainty: float (x, y, z), not negative, shown in a second row; or None.
        largest_uncertainty: what has the brightest colour; by default its maximum.
        dpi: pixels per inch of a picture that is 12 inches wide.
        ignored_id: what `ground_truth` holds where the class is not known, or None.
        **format_options: of matplotlib's `savefig`, as format and pil_kwargs.

    Raises:
        ValueError: if a label or the uncertainty does not have the image's shape.
    """
    # Not pyplot: this neither needs a display nor keeps figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    image = np.asarray(image, np.float32)
    image = image[..., 0] if image.ndim == 4 else image
    ground_truth, is_ignored = _without_ignored(ground_truth, ignored_id)
    # Drawn in this order: the prediction lies on the truth.
    outlines = [
        (name, np.asarray(label), style)
        for name, label, style in (
            ("ground truth", ground_truth, (0, (4, 2.5))),
            ("predicted", predicted, "solid"),
        )
        if label is not None
    ]
    volumes = [(name, label) for name, label, _ in outlines]
    if uncertainty is not None:
        uncertainty = np.asarray(uncertainty, np.float32)
        volumes.append(("uncertainty", uncertainty))
    for name, volume in volumes:
        if volume.shape != image.shape:
            raise ValueError(
                f"{name} must have the image's shape {image.shape}, got {volume.shape}"
            )
    shown = outlines[0][1] if outlines else np.zeros(image.shape, int)
    centre = foreground_centre(shown)
    size_mm = np.multiply(image.shape, spacing_mm)
    widths = [size_mm[across] for _, across, _ in _PLANES]
    height = max(size_mm[up] for _, _, up in _PLANES)
    num_rows = 1 if uncertainty is None else 2
    figure = Figure(
        figsize=(12.0, num_rows * 12.0 * height / sum(widths) + 1.3),
        facecolor=_BACKGROUND,
        layout="constrained",
    )
    figure.get_layout_engine().set(h_pad=0.1, w_pad=0.08)
    FigureCanvasAgg(figure)
    axes = figure.subplots(num_rows, 3, width_ratios=widths, squeeze=False)
    window = np.percentile(image, (0.5, 99.7))
    for cut, (axis, plane) in enumerate(zip(axes[0], _PLANES, strict=True)):
        _draw_plane(axis, image, outlines, spacing_mm, window, cut, centre, plane)
        _shade_ignored(axis, is_ignored, cut, centre)
    if uncertainty is not None:
        largest = largest_uncertainty or max(float(uncertainty.max()), 1e-6)
        _draw_uncertainty(
            axes[1], image, uncertainty, largest, spacing_mm, window, centre
        )
    class_ids = sorted({int(c) for _, lab, _ in outlines for c in np.unique(lab)} - {0})
    _draw_legend(figure, outlines, class_ids, class_names, is_ignored is not None)
    if title:
        figure.suptitle(title, color=_TEXT, fontsize=15, fontweight="bold")
    _save(figure, path, dpi, **format_options)


def save_overlay_rows(
    path, rows, spacing_mm=(1.0, 1.0, 1.0), class_names=None, ignored_id=None
):
    """Draws several volumes of one shape below one another, with outlines, to PNG.

    All are cut at the same planes, through the centre of the first one's foreground,
    and shown on the first one's scale of grey.

    Args:
        path: PNG file to write; its folder is made.
        rows: triples of a name, an image (x, y, z) or (x, y, z, c), of which the first
            channel is shown, and integer class ids (x, y, z).
        spacing_mm: (x, y, z) voxel size, for the aspect.
        class_names: name per class id, background first; None numbers them.
        ignored_id: as for `save_overlay`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    images = [np.asarray(image, np.float32) for _, image, _ in rows]
    images = [image[..., 0] if image.ndim == 4 else image for image in images]
    known = [_without_ignored(label, ignored_id) for _, _, label in rows]
    labels = [label for label, _ in known]
    centre = foreground_centre(labels[0])
    window = np.percentile(images[0], (0.5, 99.7))
    size_mm = np.multiply(images[0].shape, spacing_mm)
    widths = [size_mm[across] for _, across, _ in _PLANES]
    height = max(size_mm[up] for _, _, up in _PLANES)
    figure = Figure(
        figsize=(9.0, len(rows) * (9.0 * height / sum(widths) + 0.3) + 0.6),
        facecolor=_BACKGROUND,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 3, width_ratios=widths, squeeze=False)
    for row, (name, image, (label, is_ignored)) in enumerate(
        zip((name for name, _, _ in rows), images, known, strict=True)
    ):
        outlines = [(name, label, "solid")]
        for cut, plane in enumerate(_PLANES):
            axis = axes[row, cut]
            _draw_plane(axis, image, outlines, spacing_mm, window, cut, centre, plane)
            _shade_ignored(axis, is_ignored, cut, centre)
            axis.set_title(name if cut == 1 else "", color=_TEXT, fontsize=12)
    class_ids = sorted({int(c) for label in labels for c in np.unique(label)} - {0})
    has_ignored = any(is_ignored is not None for _, is_ignored in known)
    _draw_legend(figure, [], class_ids, class_names, has_ignored)
    _save(figure, path, dpi=110)


def _without_ignored(label, ignored_id):
    """(label with background where it is ignored, bool where, or None of none)."""
    if label is None:
        return None, None
    label = np.asarray(label)
    is_ignored = label == ignored_id if ignored_id is not None else None
    if is_ignored is None or not is_ignored.any():
        return label, None
    return np.where(is_ignored, 0, label), is_ignored


def _shade_ignored(axis, is_ignored, cut, centre):
    if is_ignored is None:
        return
    from matplotlib.colors import to_rgb

    section = np.take(is_ignored, centre[cut], axis=cut).T
    colours = np.zeros((*section.shape, 4))
    colours[..., :3] = to_rgb(IGNORED_COLOUR)
    colours[..., 3] = _IGNORED_ALPHA * section
    axis.imshow(
        colours,
        origin="lower",
        extent=axis.images[0].get_extent(),
        interpolation="nearest",
    )


def _save(figure, path, dpi, **options):
    """Writes a figure; names in it are shown as they are."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a name may hold two dollar signs
    if not hasattr(path, "write"):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Its fonts lack some scripts: boxes are drawn, and one line a letter said.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(path, dpi=dpi, facecolor=_BACKGROUND, **options)


def _draw_uncertainty(axes, image, uncertainty, largest, spacing_mm, window, centre):
    """The same planes, without outlines and with the uncertainty over the image."""
    for cut, (axis, plane) in enumerate(zip(axes, _PLANES, strict=True)):
        _draw_plane(axis, image, [], spacing_mm, window, cut, centre, plane)
        section = np.take(uncertainty, centre[cut], axis=cut).T
        shown = axis.imshow(
            section,
            cmap="inferno",
            vmin=0.0,
            vmax=largest,
            # Where it is certain, the image shows.
            alpha=np.clip(section / largest * 2.0, 0.0, 0.85),
            origin="lower",
            extent=axis.images[0].get_extent(),
            interpolation="nearest",
        )
        axis.set_title("")
    bar = axes[-1].figure.colorbar(shown, ax=list(axes), fraction=0.02, pad=0.01)
    bar.solids.set_alpha(1.0)
    bar.set_label("uncertainty", color=_TEXT, fontsize=11)
    bar.ax.tick_params(colors=_TEXT, labelsize=9)
    bar.outline.set_visible(False)


def _draw_plane(axis, image, outlines, spacing_mm, window, cut, centre, plane):
    name, across, up = plane
    size_mm = np.multiply(image.shape, spacing_mm)
    # Pixel centres in mm from the corner of the field of view.
    x, y = ((np.arange(image.shape[d]) + 0.5) * spacing_mm[d] for d in (across, up))
    axis.imshow(
        np.take(image, centre[cut], axis=cut).T,
        cmap="gray",
        vmin=window[0],
        vmax=max(window[1], window[0] + 1e-6),
        origin="lower",
        extent=(0.0, size_mm[across], 0.0, size_mm[up]),
        interpolation="bicubic",
    )
    for _, label, style in outlines:
        section = np.take(label, centre[cut], axis=cut).T
        for class_id in np.unique(section[section > 0]):
            axis.contour(
                x,
                y,
                section == class_id,
                levels=[0.5],
                colors=[class_colour(int(class_id))],
                linewidths=1.8,
                linestyles=[style],
            )
    axis.set_title(name, color=_TEXT, fontsize=12, alpha=0.75)
    axis.set_axis_off()


def _draw_legend(figure, outlines, class_ids, class_names, has_ignored=False):
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], color=class_colour(c), linewidth=5, solid_capstyle="round",
            label=class_names[c] if class_names else f"class {c}",
        )
        for c in class_ids
    ]  # fmt: skip
    if has_ignored:
        handles.append(
            Line2D([], [], color=IGNORED_COLOUR, linewidth=5, label="ignored")
        )
    handles += [
        Line2D([], [], color=_TEXT, linewidth=1.8, linestyle=style, label=name)
        for name, _, style in outlines
    ]
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(len(handles), 8),
            frameon=False,
            labelcolor=_TEXT,
            fontsize=12,
            handlelength=2.8,
        )
