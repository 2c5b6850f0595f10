"""Notes on scans of which a model sees only a part."""

import numpy as np

# Those of `tf_diffseg.preprocessing.intensity`, which loads TensorFlow.
PERCENTILES = (0.5, 99.5)


def crop_note(image, preprocessing):
    """Line of text on a `Volume` that the model crops, or None.

    Args:
        image: `tf_diffseg.volumes.volume.Volume`.
        preprocessing: config of a `VolumePreprocessor`.
    """
    volume_shape = preprocessing.get("volume_shape")
    if volume_shape is None:
        return None
    from tf_diffseg.preprocessing.orientation import canonical_axes

    order = canonical_axes(image.affine)[0].numpy()
    own_spacing = image.spacing_mm[order]
    extent_mm = np.array(image.grid_shape)[order] * own_spacing
    spacing_mm = np.array(preprocessing.get("spacing_mm") or own_spacing)
    kept_mm = np.array(volume_shape) * spacing_mm
    if (np.rint(extent_mm / spacing_mm) <= volume_shape).all():
        return None
    kept, whole = (
        " x ".join(f"{value:.0f}" for value in extent)
        for extent in (np.minimum(extent_mm, kept_mm), extent_mm)
    )
    return (
        f"note: the scan measures {whole} mm (x, y, z); only the central {kept} mm "
        "are segmented, the rest becomes background"
    )


def intensity_notes(image, preprocessing):
    """Lines of text on channels of a `Volume` with little contrast after scaling.

    Args:
        image: `tf_diffseg.volumes.volume.Volume`.
        preprocessing: config of a `VolumePreprocessor`.
    """
    channels = np.moveaxis(image.array, -1, 0)
    kinds, windows = preprocessing.get("intensity"), preprocessing.get("ct_window")
    if not isinstance(kinds, (list, tuple)):
        kinds, windows = [kinds] * len(channels), [windows] * len(channels)
    notes = []
    for index, (channel, kind, window) in enumerate(
        zip(channels, kinds, windows or [None] * len(kinds), strict=False)
    ):
        low, high = float(channel.min()), float(channel.max())
        where = f"note: channel {index} of the scan"
        if low == high:
            notes.append(f"{where} is {low:g} everywhere")
        elif kind == "ct_window" and (high <= window[0] or low >= window[1]):
            notes.append(
                f"{where} has values from {low:g} to {high:g}, all outside of the "
                f"window {window[0]:g} to {window[1]:g} that the model looks at"
            )
        elif kind == "percentile" and np.ptp(np.percentile(channel, PERCENTILES)) == 0:
            notes.append(
                f"{where} has equal 0.5 and 99.5 percentiles, so its whole range "
                f"({low:g} to {high:g}) is scaled"
            )
    return notes
