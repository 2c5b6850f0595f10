"""Prints what a manifest says about converted shards."""

import os
import pathlib

import numpy as np

from data_tools.datasets.problems import print_warnings_of
from data_tools.inspection.class_volumes import ClassVolumes, volumes_table
from tf_diffseg.errors import as_flags
from tf_diffseg.text_table import text_table


def print_conversion(manifest, output_dir):
    """Prints the result of a conversion from the `Manifest` in its folder."""
    print(_fingerprint(manifest))
    chosen = {key: value for key, value in manifest.preprocessing.items() if value}
    print("preprocessing: " + ", ".join(f"{k}={v}" for k, v in chosen.items()))
    rows = [["split", "cases", "shards"]]
    for name, split in manifest.splits.items():
        rows.append([name, str(len(split.uids)), str(len(split.shards))])
    print(text_table(rows, right=(1, 2)))
    if manifest.warnings:
        print(f"{len(manifest.warnings)} warning(s), which manifest.json keeps:")
        print_warnings_of(manifest)
    for reason in manifest.skipped.values():
        print(f"left out: {reason}")
    print(f"data set {manifest.dataset} in {output_dir}")


def print_description(data_dir, manifest, with_volumes=True):
    """Prints the contents of a converted data set, without reading its shards.

    Args:
        data_dir: folder of the manifest.
        manifest: `Manifest`.
        with_volumes: whether to print the volume of each class.
    """
    print(describe(data_dir, manifest))
    if manifest.fingerprint:
        print("\n" + _fingerprint(manifest))
    if with_volumes:
        print("\n" + as_flags(describe_volumes(manifest)))
    if manifest.warnings:
        print(f"\n{len(manifest.warnings)} warning(s) of the conversion:")
        print_warnings_of(manifest)


def _fingerprint(manifest):
    names = manifest.class_names, manifest.channel_names
    return fingerprint_table(manifest.fingerprint, *names)


def describe(data_dir, manifest):
    """Describes a `Manifest` in the folder `data_dir`, as lines of text."""
    classes = zip(manifest.label_values, manifest.class_names, strict=True)
    settings = (f"{key}={value}" for key, value in manifest.preprocessing.items())
    fields = {
        "data set": manifest.dataset,
        "license": manifest.license,
        "channels": ", ".join(manifest.channel_names),
        "classes": ", ".join(f"{value} {name}" for value, name in classes),
        **_ignored(manifest),
        "preprocessing": ", ".join(settings),
        "stored as": f"{manifest.image_dtype} {manifest.compression}".strip(),
        "left out": f"{len(manifest.skipped)} case(s)",
    }
    lines = [text_table(list(fields.items()))]
    lines += [f"  {reason}" for reason in manifest.skipped.values()]
    lines += ["", _shard_table(data_dir, manifest)]
    return "\n".join(lines)


def _shard_table(data_dir, manifest):
    rows = [["shard", "cases", "MiB", "SHA-256"]]
    for split in manifest.splits.values():
        for shard in split.shards:
            path = pathlib.Path(data_dir) / shard.file_name
            size = f"{os.path.getsize(path) / 2**20:.1f}" if path.is_file() else "gone"
            cases = str(shard.num_examples)
            rows.append([shard.file_name, cases, size, shard.sha256[:16]])
    return text_table(rows, right=(1, 2))


def _ignored(manifest):
    """Dict with a field on ignored voxels, empty without an ignore label."""
    if manifest.ignore_label is None:
        return {}
    statistics = [split.statistics for split in manifest.splits.values()]
    voxels, cases = (
        sum(each.get(f"ignored_{unit}", 0) for each in statistics)
        for unit in ("voxels", "cases")
    )
    return {
        "ignored": f"label value {manifest.ignore_label}, {voxels} voxels of the files "
        f"of {cases} case(s)"
    }


def describe_volumes(manifest):
    """The volume of each class by a `Manifest`, as lines of text."""
    source = ClassVolumes.of_manifest(manifest)
    stored = ClassVolumes.of_manifest(manifest, "stored_")
    if source is None or stored is None:
        return (
            "volumes of classes: an older version wrote manifest.json and did not keep "
            "them, `verify` counts them"
        )
    return volumes_table(source, stored, manifest.class_names)


def fingerprint_table(fingerprint, class_names, channel_names):
    """A fingerprint of `fingerprint.fingerprint_of` as lines of text."""
    cases = fingerprint["num_cases"]
    split = f" of split {fingerprint['split']}" if fingerprint["split"] else ""
    rows = [[f"{cases} cases{split}", "min", "median", "max"]]
    for name, title in (
        ("shape", "voxels, x y z"),
        ("spacing_mm", "spacing in mm, x y z"),
        ("extent_mm", "extent in mm, x y z"),
        ("bright_mm", "without empty borders"),
        ("foreground_mm", "foreground in mm, x y z"),
    ):
        if name in fingerprint:  # Earlier versions did not measure all.
            rows.append(_row(title, fingerprint[name]))
    for name, volume, count in zip(
        class_names,
        fingerprint["class_ml"],
        fingerprint["cases_per_class"],
        strict=True,
    ):
        rows.append(_row(f"{name} in ml, {count} cases", volume))
    if fingerprint.get("ignored_cases"):
        title = f"ignored in ml, {fingerprint['ignored_cases']} cases"
        rows.append(_row(title, fingerprint["ignored_ml"]))
    intensity = fingerprint["foreground_intensity"]
    for channel, name in enumerate(channel_names if intensity else ()):
        values = {
            "min": intensity["percentile_00_5"][channel],
            "median": intensity["median"][channel],
            "max": intensity["percentile_99_5"][channel],
        }
        rows.append(_row(f"{name} in foreground, 0.5-99.5 %", values))
    return text_table(rows, right=(1, 2, 3))


def _row(title, values):
    if values is None:
        return [title, "-", "-", "-"]
    return [title, *(_cell(values[key]) for key in ("min", "median", "max"))]


def _cell(value):
    return " ".join(f"{number:.4g}" for number in np.atleast_1d(value))
