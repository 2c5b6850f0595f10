"""Draws three planes through one point of a volume in each row of a figure.

Of a volume of one slice it draws the slice alone.
"""

import pathlib
import warnings

import numpy as np

from tf_diffseg.reports.colours import IGNORED_COLOUR, class_colour

TEXT = "#e8eaed"
_BACKGROUND = "#0b0d10"
_IGNORED_ALPHA = 0.45
_WIDEST = 6.0  # inches of a plane
# Name and axes (across, up) of the cuts at axis 0, 1 and 2 of a RAS+ volume.
_PLANES = (("Sagittal", 1, 2), ("Coronal", 0, 2), ("Axial", 0, 1))


class PlanePicture:
    """A figure of rows of planes.

    Args:
        image: float (x, y, z), which sets the grey scale of all rows.
        spacing_mm: (x, y, z) voxel size, for the aspect.
        centre: voxel (3,) that the planes go through.
        num_rows: number of rows.
        width: width of the figure, in inches.
        row_gap: height of a row beyond its planes, in inches.
        margin: height of titles and legend, in inches.

    Attributes:
        figure: `matplotlib.figure.Figure`.
    """

    def __init__(self, image, spacing_mm, centre, num_rows, width, row_gap, margin):
        # pyplot would need a display and would keep figures.
        from matplotlib.figure import Figure

        self._spacing_mm, self._centre = spacing_mm, centre
        self._window = np.percentile(image, (0.5, 99.7))
        size_mm = np.multiply(image.shape, spacing_mm)
        self._cuts = _cuts_of(image.shape)
        width = min(width, _WIDEST * len(self._cuts))
        widths = [size_mm[_PLANES[cut][1]] for cut in self._cuts]
        height = max(size_mm[_PLANES[cut][2]] for cut in self._cuts)
        row_height = width * height / sum(widths) + row_gap
        self.figure = Figure(
            figsize=(width, num_rows * row_height + margin),
            facecolor=_BACKGROUND,
            layout="constrained",
        )
        self._axes = self.figure.subplots(
            num_rows, len(widths), width_ratios=widths, squeeze=False
        )

    def draw(self, row, image, outlines=(), is_ignored=None, title=None):
        """Draws a volume with outlines.

        Args:
            row: number of the row.
            image: float (x, y, z).
            outlines: triples of a name, class ids (x, y, z) and a line style.
            is_ignored: bool (x, y, z), the voxels to shade, or None.
            title: title of the row; None for the names of the planes.
        """
        middle = self._cuts[len(self._cuts) // 2]
        for cut, axis in zip(self._cuts, self._axes[row], strict=True):
            self._draw_plane(axis, cut, image, outlines)
            if is_ignored is not None:
                self._shade(axis, cut, is_ignored)
            if title is not None:
                axis.set_title(title if cut == middle else "", color=TEXT, fontsize=12)

    def draw_uncertainty(self, row, image, uncertainty, largest):
        """Draws a volume under its uncertainty; `largest` is the brightest colour."""
        for cut, axis in zip(self._cuts, self._axes[row], strict=True):
            self._draw_plane(axis, cut, image, ())
            section = self._section(uncertainty, cut)
            shown = self._lay_over(
                axis,
                section,
                cmap="inferno",
                vmin=0.0,
                vmax=largest,
                # Where the prediction is certain, the image shows.
                alpha=np.clip(section / largest * 2.0, 0.0, 0.85),
            )
            axis.set_title("")
        bar = self.figure.colorbar(
            shown, ax=list(self._axes[row]), fraction=0.02, pad=0.01
        )
        bar.solids.set_alpha(1.0)
        bar.set_label("uncertainty", color=TEXT, fontsize=11)
        bar.ax.tick_params(colors=TEXT, labelsize=9)
        bar.outline.set_visible(False)

    def _section(self, volume, cut):
        return np.take(volume, self._centre[cut], axis=cut).T

    def _lay_over(self, axis, section, **options):
        extent = axis.images[0].get_extent()
        return axis.imshow(
            section, origin="lower", extent=extent, interpolation="nearest", **options
        )

    def _shade(self, axis, cut, is_ignored):
        from matplotlib.colors import to_rgb

        section = self._section(is_ignored, cut)
        colours = np.zeros((*section.shape, 4))
        colours[..., :3] = to_rgb(IGNORED_COLOUR)
        colours[..., 3] = _IGNORED_ALPHA * section
        self._lay_over(axis, colours)

    def _draw_plane(self, axis, cut, image, outlines):
        name, across, up = _PLANES[cut]
        spacing_mm, window = self._spacing_mm, self._window
        size_mm = np.multiply(image.shape, spacing_mm)
        # Pixel centres in mm from the corner of the field of view.
        x, y = ((np.arange(image.shape[d]) + 0.5) * spacing_mm[d] for d in (across, up))
        axis.imshow(
            self._section(image, cut),
            cmap="gray",
            vmin=window[0],
            vmax=max(window[1], window[0] + 1e-6),
            origin="lower",
            extent=(0.0, size_mm[across], 0.0, size_mm[up]),
            interpolation="bicubic",
        )
        for _, label, style in outlines:
            section = self._section(label, cut)
            for class_id in np.unique(section[section > 0]):
                look = {"colors": [class_colour(int(class_id))], "linestyles": [style]}
                is_class = section == class_id
                axis.contour(x, y, is_class, levels=[0.5], linewidths=1.8, **look)
        axis.set_title(name, color=TEXT, fontsize=12, alpha=0.75)
        axis.set_axis_off()

    def draw_legend(self, labels, class_names, has_ignored, outlines=()):
        """Draws the legend.

        Args:
            labels: list of class ids (x, y, z), whose classes are named.
            class_names: names of the classes, background first; None numbers them.
            has_ignored: whether to name ignored voxels too.
            outlines: as in `draw`; their line styles are named.
        """
        from matplotlib.lines import Line2D

        def handle(name, color, linewidth=5, **style):
            return Line2D([], [], label=name, color=color, linewidth=linewidth, **style)

        class_ids = sorted({int(c) for label in labels for c in np.unique(label)} - {0})
        handles = []
        for c in class_ids:
            name = class_names[c] if class_names else f"class {c}"
            handles.append(handle(name, class_colour(c), solid_capstyle="round"))
        if has_ignored:
            handles.append(handle("ignored", IGNORED_COLOUR))
        for name, _, style in outlines:
            handles.append(handle(name, TEXT, 1.8, linestyle=style))
        if handles:
            self.figure.legend(
                handles=handles,
                loc="outside lower center",
                ncols=min(len(handles), 8),
                frameon=False,
                labelcolor=TEXT,
                fontsize=12,
                handlelength=2.8,
            )

    def save(self, path, dpi, **options):
        """Writes the figure, with all names as they are.

        Args:
            path: file to write, whose folder is made; or a binary file object.
            dpi: pixels per inch.
            **options: options of matplotlib's `savefig`.
        """
        from matplotlib.text import Text

        for text in self.figure.findobj(Text):
            text.set_parse_math(False)  # A name may hold two dollar signs.
        if not hasattr(path, "write"):
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # matplotlib's fonts lack some scripts: it draws boxes and warns per letter.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            self.figure.savefig(path, dpi=dpi, facecolor=_BACKGROUND, **options)


def _cuts_of(shape):
    """Numbers of the planes to draw: contours need two voxels along both axes."""
    cuts = [
        cut
        for cut, (_, across, up) in enumerate(_PLANES)
        if min(shape[across], shape[up]) > 1
    ]
    return cuts or [2]
