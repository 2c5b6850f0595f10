"""Messages about cases that are odd without being wrong.

`verification` and the converter look at the same files. Both take their messages from
here, so that they say the same.
"""

from data_tools.datasets.problems import Problem, Severity, warning
from tf_diffseg.text import shown

# A class that keeps a smaller share of its volume gets a warning.
_LEAST_KEPT = 0.5


def constant_channel(index, value):
    """Message about an image whose channel `index` has one value."""
    return f"channel {index} of the image is {value:g} everywhere"


def no_foreground(path):
    """Message about a label map that holds only background."""
    return f"{path} has no foreground"


def no_foreground_at_all(dataset):
    """The `Problem` of a data set in which no label map has a foreground."""
    expected = ", ".join(map(str, dataset.label_values[1:]))
    message = (
        f"{dataset.path}: no label map of its {len(dataset.cases)} case(s) has a "
        f"labelled voxel, expected some of the label values {expected}"
    )
    return Problem(Severity.ERROR, "foreground", None, message)


def ignored_voxels(dataset, counts):
    """List of one `Problem` if the data set has an ignore label, else an empty list.

    Args:
        dataset: `dataset.Dataset`.
        counts: number of ignored voxels of each case.
    """
    if dataset.ignore_label is None:
        return []
    message = (
        f"{dataset.path}: the ignore label {dataset.ignore_label} is on {sum(counts)} "
        f"voxels of {sum(count > 0 for count in counts)} of {len(counts)} cases"
    )
    severity = Severity.NOTE if any(counts) else Severity.WARNING
    return [Problem(severity, "ignored", None, message)]


def absent_classes(dataset, found):
    """Problems of the declared classes whose values are not in the set `found`."""
    return [
        warning(
            "labels",
            None,
            f"{dataset.path} declares {shown(name)}, label value {value}, of which no "
            "case has a voxel",
        )
        for name, value in zip(dataset.class_names, dataset.label_values, strict=True)
        if value not in found
    ]


def shared_image(case, first):
    """The `Problem` of two cases with one image: an error if their splits differ."""
    message = (
        f"case {shown(case.uid)}: its image has the voxels of case {shown(first.uid)}"
    )
    if case.split == first.split:
        return warning("duplicate", case.uid, message)
    message += f", but is in the split {case.split}, that one in {first.split}"
    return Problem(Severity.ERROR, "duplicate", case.uid, message)


def shared_label(case, first):
    """The `Problem` of two cases with one label map."""
    return warning(
        "duplicate",
        case.uid,
        f"case {shown(case.uid)}: its label has the voxels of case {shown(first.uid)}",
    )


def file_warnings(case, measures):
    """Warnings about the files of a case, the same as from `verification`.

    Args:
        case: `dataset.Case`.
        measures: its `case_statistics.CaseMeasures`.

    Returns:
        List of `Problem`.
    """
    found = [tuple(remark) for remark in measures.remarks]
    extremes = zip(measures.intensity["min"], measures.intensity["max"], strict=True)
    found += [
        ("voxels", constant_channel(index, low))
        for index, (low, high) in enumerate(extremes)
        if low == high
    ]
    if not sum(measures.voxels_per_class[1:]):
        found.append(("foreground", no_foreground(case.label_path)))
    return [
        warning(check, case.uid, f"case {shown(case.uid)}: {message}")
        for check, message in found
    ]


def preprocessing_warnings(case, summary, class_names, preprocessing):
    """Warnings about what preprocessing takes away from a case.

    Args:
        case: `dataset.Case`.
        summary: its `case_statistics.CaseSummary`.
        class_names: name per class id.
        preprocessing: config of the `VolumePreprocessor`.

    Returns:
        List of `Problem`.
    """
    return [
        warning(check, case.uid, f"case {shown(case.uid)}: {message}", **counts)
        for check, message, counts in (
            *_image_losses(summary, preprocessing),
            *_label_losses(summary, class_names, preprocessing),
        )
    ]


def _image_losses(summary, preprocessing):
    """Yields `(check, message, counts)`."""
    intensity = summary.measures.intensity
    for channel in summary.constant_channels:
        low, high = intensity["min"][channel], intensity["max"][channel]
        if low < high:
            yield (
                "voxels",
                f"channel {channel} of the image has values from {low:g} to {high:g} "
                f"in the file and one value once preprocessed "
                f"({image_settings(preprocessing)})",
                {"channel": channel, "min": low, "max": high},
            )
    for channel in sorted({*summary.flat_channels} - {*summary.constant_channels}):
        low, high = intensity["min"][channel], intensity["max"][channel]
        yield (
            "intensity",
            f"channel {channel} of the image has equal 0.5 and 99.5 percentiles, so "
            f"its whole range ({low:g} to {high:g} in the file) is scaled to -1 and 1",
            {"channel": channel, "min": low, "max": high},
        )


def _label_losses(summary, class_names, preprocessing):
    """Yields `(check, message, counts)`."""
    measures = summary.measures
    before, after = measures.voxels_per_class, summary.stored_voxels
    if sum(before[1:]) and not sum(after[1:]):
        cause = _cause_of_loss(sum(summary.uncropped_voxels[1:]), preprocessing)
        yield (
            "foreground lost",
            f"all {sum(before[1:])} labelled voxels of its file are lost {cause}",
            {"source_voxels": sum(before[1:]), "stored_voxels": 0},
        )
        return
    for class_id in range(1, len(class_names)):
        if not before[class_id]:
            continue
        source_ml = before[class_id] * measures.voxel_ml
        stored_ml = after[class_id] * summary.voxel_ml
        counts = {
            "class": class_names[class_id],
            "source_voxels": before[class_id],
            "stored_voxels": after[class_id],
            "source_ml": source_ml,
            "stored_ml": stored_ml,
        }
        named = f"{shown(class_names[class_id])} has {before[class_id]} voxels"
        if not after[class_id]:
            uncropped = summary.uncropped_voxels[class_id]
            cause = _cause_of_loss(uncropped, preprocessing)
            yield "class lost", f"{named} in its file, all lost {cause}", counts
        elif stored_ml < _LEAST_KEPT * source_ml:
            yield (
                "class shrunk",
                f"{named} ({source_ml:.3g} ml) in its file, {after[class_id]} "
                f"({stored_ml:.3g} ml) once preprocessed "
                f"({grid_settings(preprocessing)})",
                counts,
            )


def lost_classes(dataset, before, after, preprocessing):
    """Problems of classes that some cases lose; `before`, `after` (cases, classes)."""
    problems = []
    for class_id, name in enumerate(dataset.class_names):
        has_class = before[:, class_id] > 0
        is_lost = has_class & (after[:, class_id] == 0)
        if not class_id or not is_lost.any():
            continue
        voxels = int(before[is_lost, class_id].sum())
        problems.append(
            warning(
                "class lost",
                None,
                f"{shown(name)}, label value {dataset.label_values[class_id]}, is lost "
                f"by preprocessing ({grid_settings(preprocessing)}) in {is_lost.sum()} "
                f"of {has_class.sum()} cases that have it, {voxels} voxels in their "
                "files",
                **{
                    "class": name,
                    "lost_cases": int(is_lost.sum()),
                    "cases": int(has_class.sum()),
                    "source_voxels": voxels,
                },
            )
        )
    return problems


def crop_warning(name, split, preprocessing):
    """The `Problem` of a `manifest.Split` that the crop took labelled voxels from."""
    voxels = split.statistics["cropped_voxels"]
    cases = split.statistics["cropped_cases"]
    return warning(
        "crop",
        None,
        f"{_arguments(preprocessing, ('volume_shape',))} cropped {voxels} labelled "
        f"voxels away in {cases} of {len(split.uids)} {name} cases",
        cropped_voxels=voxels,
        cropped_cases=cases,
    )


def _cause_of_loss(uncropped, preprocessing):
    """The cause that took all voxels; `uncropped` of them were left before the crop."""
    if uncropped:
        return f"by the crop to {_arguments(preprocessing, ('volume_shape',))}"
    return f"by preprocessing ({grid_settings(preprocessing)})"


def grid_settings(preprocessing):
    """The settings that decide which part of a label map is kept, as arguments."""
    names = ("crop_to_foreground", "spacing_mm", "volume_shape")
    return _arguments(preprocessing, names)


def image_settings(preprocessing):
    """The settings that decide which part of an image is kept, as arguments."""
    intensity = _arguments(preprocessing, ("intensity", "ct_window"))
    return f"{grid_settings(preprocessing)} {intensity}".strip()


def _arguments(preprocessing, names):
    return " ".join(
        f"`{name}={_argument_value(preprocessing[name])}`"
        for name in names
        if preprocessing.get(name)
    )


def _argument_value(value):
    if isinstance(value, (list, tuple)):
        return ",".join(map(_argument_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
