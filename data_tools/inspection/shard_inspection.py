"""Checks the shards of a converted data set against its manifest, and draws them."""

import dataclasses
import functools
import operator
import pathlib

import numpy as np
import tensorflow as tf

from data_tools.inspection.class_volumes import ClassVolumes, volumes_table
from tf_diffseg.data.example_schema import parse_example
from tf_diffseg.data.manifest import FILE_NAME, file_sha256
from tf_diffseg.errors import InputError
from tf_diffseg.reports.overlay import save_overlay


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The result of `verify`.

    Attributes:
        num_cases: number of cases that could be read.
        problems: lines that name the file.
        source: `ClassVolumes` of these cases in their files, None without a case.
        stored: the same in the shards.
    """

    num_cases: int
    problems: list[str]
    source: ClassVolumes | None = None
    stored: ClassVolumes | None = None


def verify(data_dir, manifest):
    """Reads every byte and compares it with the `Manifest`; gives an `Inspection`."""
    folder = pathlib.Path(data_dir)
    problems, num_cases = [], 0
    source, stored = [], []
    known = set()
    for name, split in manifest.splits.items():
        counted = sum(shard.num_examples for shard in split.shards)
        if counted != len(split.uids):
            problems.append(
                f"{folder / FILE_NAME}: split {name} lists {len(split.uids)} cases, "
                f"its shards {counted}"
            )
        for shard, uids in zip(split.shards, split.uids_by_shard(), strict=True):
            known.add(shard.file_name)
            found = _verify_shard(folder / shard.file_name, shard, uids, manifest)
            num_cases += found.num_cases
            problems += found.problems
            source += [found.source] if found.source else []
            stored += [found.stored] if found.stored else []
    for path in sorted(folder.glob(f"{manifest.dataset}-*.tfrecord-*")):
        if path.name not in known:
            problems.append(f"{path} is not in {FILE_NAME}")
    return Inspection(num_cases, problems, _total(source), _total(stored))


def print_verification(data_dir, manifest):
    """Prints the result of `verify`.

    Raises:
        InputError: if there are problems, which are printed.
    """
    found = verify(data_dir, manifest)
    if found.source is not None:
        print("\n" + volumes_table(found.source, found.stored, manifest.class_names))
    if found.problems:
        print("\n" + "\n".join(f"error: {problem}" for problem in found.problems))
        raise InputError(
            f"{len(found.problems)} problem(s) in {data_dir}, listed above"
        )
    print(f"\nverified: all checksums, counts and {found.num_cases} cases are right")


def _total(volumes):
    return functools.reduce(operator.add, volumes) if volumes else None


def _volumes(example, num_classes):
    """`ClassVolumes` of a case in its file and in the shard."""
    source_mm = np.linalg.norm(example["source_affine"].numpy()[:3, :3], axis=0)
    stored_mm = example["spacing_mm"].numpy()
    return tuple(
        ClassVolumes.of_label(example[key].numpy(), np.prod(mm) / 1000.0, num_classes)
        for key, mm in (("source_label", source_mm), ("label", stored_mm))
    )


def _verify_shard(path, shard, uids, manifest):
    if not path.is_file():
        return Inspection(0, [f"{path} does not exist"])
    problems = []
    sha256 = file_sha256(path)
    if sha256 != shard.sha256:
        problems.append(
            f"{path} has the SHA-256 {sha256[:12]}..., {FILE_NAME} says "
            f"{shard.sha256[:12]}...: it was changed or damaged"
        )
    found, source, stored = [], [], []
    try:
        for example in examples(path, manifest):
            where = f"{path}, record {len(found)}"
            found.append(example["uid"].numpy().decode(errors="replace"))
            wrong = [f"{where}: {what}" for what in _wrong(example, manifest)]
            problems += wrong
            if not wrong:  # an unknown class would have no place in the totals
                volumes = _volumes(example, manifest.num_classes)
                source.append(volumes[0])
                stored.append(volumes[1])
    except tf.errors.OpError as error:
        problems.append(f"{path}, record {len(found)} cannot be read: {_reason(error)}")
    if len(found) != shard.num_examples:
        problems.append(
            f"{path} holds {len(found)} readable cases, {FILE_NAME} says "
            f"{shard.num_examples}"
        )
    elif found != uids:
        problems.append(f"{path} holds other cases than {FILE_NAME} says")
    return Inspection(len(found), problems, _total(source), _total(stored))


def _wrong(example, manifest):
    """Yields messages on errors of one case."""
    image = example["image"].numpy()
    if not np.isfinite(image).all():
        yield "image has voxels that are NaN or infinite"
    if image.shape[-1] != manifest.num_channels:
        yield f"image has {image.shape[-1]} channels, not {manifest.num_channels}"
    if image.shape[:3] != example["label"].shape:
        yield f"image {image.shape[:3]} and label {example['label'].shape} differ"
    for key in ("label", "source_label"):
        largest = example[key].numpy().max(initial=0)
        if largest >= manifest.num_labels:
            yield f"{key} holds class {largest}, there are {manifest.num_classes}"


def examples(path, manifest):
    """Parsed cases of a shard, in order."""
    return map(
        parse_example,
        tf.data.TFRecordDataset(str(path), compression_type=manifest.compression),
    )


def _readable(path, manifest):
    """Like `examples`; raises InputError if the shard is damaged."""
    try:
        yield from examples(path, manifest)
    except tf.errors.OpError as error:
        raise InputError(
            f"{path} is damaged: {_reason(error)}; `verify` lists all that is"
        ) from error


def _reason(error):
    message = error.message.splitlines()[0]
    return message.rpartition("}} ")[2][
        :100
    ]  # without the place in the graph before it


def preview(data_dir, manifest, output_dir):
    """Draws a picture of each case.

    Args:
        data_dir: folder of the manifest.
        manifest: `Manifest`.
        output_dir: folder that gets a folder for each split.

    Yields:
        Path of each picture after it is written.

    Raises:
        InputError: if a shard is gone or damaged.
    """
    for name in manifest.splits:
        for path in manifest.shard_paths(data_dir, name):
            for example in _readable(path, manifest):
                uid = example["uid"].numpy().decode()
                picture = pathlib.Path(output_dir) / name / f"{uid}.png"
                save_overlay(
                    picture,
                    example["image"].numpy(),
                    ground_truth=example["label"].numpy(),
                    spacing_mm=example["spacing_mm"].numpy(),
                    class_names=manifest.class_names,
                    title=f"{uid} ({name})",
                    ignored_id=manifest.ignored_id,
                )
                yield picture
