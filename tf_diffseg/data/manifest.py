"""`manifest.json`: what a folder of converted shards holds."""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib

from tf_diffseg.data.some_cases import SomeCases
from tf_diffseg.errors import InputError
from tf_diffseg.whole_files import whole_file, write_json

FILE_NAME = "manifest.json"
FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Attributes:
        file_name: name in the folder of the manifest.
        num_examples: number of cases in the file.
        sha256: SHA-256 of the file, hexadecimal.
    """

    file_name: str
    num_examples: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Split:
    """One split.

    Attributes:
        uids: names of the cases, in the order in which they are stored.
        shards: files of the split, in order.
        statistics: see `data_tools.conversion.fingerprint.summarize`.
        numbers: numbers of the cases, counted over all `shards` from 0; None if the
            split has all cases of its shards.
    """

    uids: list[str]
    shards: list[Shard]
    statistics: dict
    numbers: list[int] | None = None

    def uids_by_shard(self):
        """Lists the names of the cases in each of `shards`."""
        ends = list(itertools.accumulate(shard.num_examples for shard in self.shards))
        return [
            self.uids[end - shard.num_examples : end]
            for shard, end in zip(self.shards, ends, strict=True)
        ]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A converted data set.

    Attributes:
        dataset: name of the data set in the names of its shards.
        modality: modality of the images, such as "MRI".
        license: license of the data.
        class_names: name per class id, background first.
        label_values: value in the source files per class id.
        channel_names: name per image channel.
        preprocessing: config of `tf_diffseg.preprocessing.VolumePreprocessor`.
        splits: dict from name to `Split`.
        regions: unions of classes to segment as one, each with the fields of `Region`
            of a data set; empty if there are none.
        image_dtype: type in which images are stored.
        compression: compression of the shards, "GZIP" or "".
        fingerprint: measures of the cases, see `data_tools.conversion.fingerprint`.
        skipped: dict from the uid of a case that was left out to the reason.
        warnings: dicts about what is odd without being wrong: `case`, a uid or None
            for the data set, `kind`, `text`, and `counts`, a dict of numbers.
        ignore_label: value in the source files of voxels without a class, or None.
        groups: dict from uid to the name of the case's group; empty if each case is a
            group of its own.
        format_version: version of this file and of the Examples.
    """

    dataset: str
    modality: str
    license: str
    class_names: list[str]
    label_values: list[int]
    channel_names: list[str]
    preprocessing: dict
    splits: dict[str, Split]
    regions: list[dict] = dataclasses.field(default_factory=list)
    image_dtype: str = "float32"
    compression: str = ""
    fingerprint: dict = dataclasses.field(default_factory=dict)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    warnings: list[dict] = dataclasses.field(default_factory=list)
    ignore_label: int | None = None
    groups: dict[str, str] = dataclasses.field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @property
    def num_classes(self):
        """Number of classes, background included."""
        return len(self.class_names)

    @property
    def ignored_id(self):
        """Id of voxels without a class in the shards; None if there are none."""
        return None if self.ignore_label is None else self.num_classes

    @property
    def num_labels(self):
        """Number of ids that a label in the shards may have, with `ignored_id`."""
        return self.num_classes + (self.ignore_label is not None)

    @property
    def num_channels(self):
        """Number of image channels."""
        return len(self.channel_names)

    def split(self, name):
        """Returns the split `name`; raises InputError if it does not exist."""
        if name not in self.splits:
            raise InputError(
                f"data set {self.dataset} has no split {name!r}, "
                f"it has {', '.join(self.splits)}"
            )
        return self.splits[name]

    def shard_paths(self, data_dir, split):
        """Paths of a split's shards; raises InputError if one is missing.

        Returns:
            List of paths, or `SomeCases` if the split has only some of the cases.
        """
        folder = pathlib.Path(data_dir)
        paths = [str(folder / shard.file_name) for shard in self.split(split).shards]
        missing = [path for path in paths if not os.path.isfile(path)]
        if missing:
            raise InputError(
                f"{folder / FILE_NAME} names shards that do not exist: "
                f"{', '.join(missing)}"
            )
        numbers = self.split(split).numbers
        return paths if numbers is None else SomeCases(tuple(paths), tuple(numbers))

    def write(self, data_dir, whole=whole_file):
        """Writes `manifest.json` into `data_dir`, as `write_json` does."""
        path = pathlib.Path(data_dir) / FILE_NAME
        write_json(path, dataclasses.asdict(self), 1, whole)


def read_manifest(data_dir):
    """Reads the manifest of a converted data set.

    Args:
        data_dir: folder that `data_tools.convert_nifti` wrote.

    Returns:
        The `Manifest`.

    Raises:
        InputError: the folder does not exist, or its `manifest.json` is missing,
            unreadable, of another program or of a newer format.
    """
    folder = pathlib.Path(data_dir)
    path = folder / FILE_NAME
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; data_tools.convert_nifti makes one")
    if not path.is_file():
        raise InputError(
            f"{folder} holds no {FILE_NAME}, so it is not a converted data set; "
            "data_tools.convert_nifti makes one"
        )
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    return _from_json(path, fields)


def _from_json(path, fields):
    version = fields.get("format_version") if isinstance(fields, dict) else None
    if version is None:
        raise InputError(f"{path} is not a manifest of data_tools.convert_nifti")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path} has format version {version}, this code reads "
            f"{FORMAT_VERSION}; convert the data again"
        )
    try:
        splits = {
            name: Split(
                uids=split["uids"],
                shards=[Shard(**shard) for shard in split["shards"]],
                statistics=split["statistics"],
                numbers=split.get("numbers"),
            )
            for name, split in fields["splits"].items()
        }
        manifest = Manifest(**{**fields, "splits": splits})
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a manifest of data_tools.convert_nifti: {error!r}"
        ) from error
    if not splits or not all(split.shards for split in splits.values()):
        raise InputError(f"{path} is damaged: it has no split, or one without a shard")
    return manifest


def file_sha256(path):
    """Returns the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
