"""Data sets of published experiments, as they are downloaded.

Each is found by its files below a folder, and has the classes, the channels and the
splits that were published; see docs/recipes.md.
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable

from data_tools.datasets.dataset import Case, Dataset, Region
from data_tools.datasets.msd_dataset import msd_dataset
from tf_diffseg.errors import InputError
from tf_diffseg.text import one_line, read_json, shown

_MOST_NAMES = 5


@dataclasses.dataclass(frozen=True)
class _Download:
    """How a data set is downloaded.

    Attributes:
        layout: what its folder holds, in words.
        marks: patterns of files by which the folder is known.
        num_cases: number of labelled cases that were published.
        read: function from the folder, a `pathlib.Path`, to a `Dataset`.
        places: where the folder may lie below the one that is given.
    """

    layout: str
    marks: tuple[str, ...]
    num_cases: int
    read: Callable[[pathlib.Path], Dataset]
    places: tuple[str, ...] = ()


def read_download(name, source_dir):
    """Reads the declaration of a published data set, but no volume.

    Args:
        name: one of `DOWNLOADS`.
        source_dir: folder that was downloaded and unpacked, or the one around it.

    Returns:
        A `Dataset`. Its cases have the published splits, if the publication has a rule.

    Raises:
        InputError: the folder does not hold the data set, or holds it twice, or a list
            in it is damaged.
    """
    download, folder = DOWNLOADS[name], pathlib.Path(source_dir)
    lacking = {place: _lacking(folder / place, download) for place in download.places}
    lacking[""] = _lacking(folder, download)
    places = [place for place, marks in lacking.items() if not marks]
    if len(places) > 1:
        raise InputError(
            f"source_dir={source_dir} holds {name} twice, in "
            f"{' and '.join(str(folder / place) for place in places)}; name the one to "
            "read",
            argument="source_dir",
        )
    if not places:
        fewest = min(lacking.values(), key=len)
        raise InputError(
            f"source_dir={source_dir}: expected {download.layout}, as {name} is "
            f"downloaded; {_found(folder)}, and nothing for {' and '.join(fewest)}",
            argument="source_dir",
        )
    dataset = download.read(folder / places[0]).with_name(name)
    if len(dataset.cases) == download.num_cases:
        return dataset
    note = (
        f"{len(dataset.cases)} case(s) are here, {download.num_cases} were published: "
        "splits and figures may differ from the published ones"
    )
    return dataclasses.replace(dataset, split_notes=(*dataset.split_notes, note))


def _lacking(folder, download):
    """Marks that a folder does not have."""
    return [mark for mark in download.marks if not any(folder.glob(mark))]


def _found(folder):
    """What a folder holds, in words."""
    if not folder.is_dir():
        return "there is no such folder"
    names = sorted(path.name for path in folder.iterdir())
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return f"found {', '.join(map(shown, names[:_MOST_NAMES])) or 'nothing'}{more}"


def _declared(folder, classes, channel_names, cases, license_of, **values):
    """A `Dataset` whose files declare nothing; `classes` are pairs (value, name)."""
    label_values, class_names = zip(*classes, strict=True)
    return Dataset(
        path=str(folder),
        convention="the layout of its download",
        name=folder.name,
        license=f"as {license_of} states",
        class_names=list(class_names),
        label_values=list(label_values),
        channel_names=channel_names,
        cases=sorted(cases, key=lambda case: case.uid),
        root=str(folder),
        split_order=("train", "validation", "test"),
        **values,
    )


# AMOS: numbers up to this one are CT, larger ones MR.
_LAST_CT = 500
# Share of its validation cases that the publication validates on; it tests on the rest.
_VALIDATED = 0.1


def _amos_ct(folder):
    path = folder / "dataset.json"
    fields = read_json(path)
    training, validation = (
        _entries(path, fields, key) for key in ("training", "validation")
    )
    ct = [entry for entry in training if _amos_number(path, entry) <= _LAST_CT]
    others = [entry for entry in validation if _amos_number(path, entry) <= _LAST_CT]
    number = max(int(_VALIDATED * len(others)), 1)
    split_of = {entry["image"]: "train" for entry in ct}
    split_of |= {entry["image"]: "validation" for entry in others[:number]}
    split_of |= {entry["image"]: "test" for entry in others[number:]}
    listed = {key: fields.get(key) for key in ("name", "licence", "labels", "modality")}
    listed["training"] = [*ct, *others]
    dataset = msd_dataset(path, {k: v for k, v in listed.items() if v is not None})
    by_path = {str(folder / image): split for image, split in split_of.items()}
    tested = fields.get("test")
    unused = [*training, *validation, *(tested if isinstance(tested, list) else ())]
    return dataclasses.replace(
        dataset,
        channel_names=["CT"],
        cases=[
            dataclasses.replace(case, split=by_path[case.image_paths[0]])
            for case in dataset.cases
        ],
        # MR, and what has no label.
        other_files=tuple(
            str(folder / entry[key])
            for entry in unused
            if isinstance(entry, dict)
            for key in ("image", "label")
            if isinstance(entry.get(key), str) and entry["image"] not in split_of
        ),
        split_order=("train", "validation", "test"),
    )


def _entries(path, fields, key):
    """Entries of a list of `dataset.json`, each with a label.

    One version of AMOS lists the images of the validation alone.
    """
    listed = fields.get(key)
    entries = listed if isinstance(listed, list) else []
    entries = [{"image": e} if isinstance(e, str) else e for e in entries]
    if not entries or not all(
        isinstance(entry, dict) and isinstance(entry.get("image"), str)
        for entry in entries
    ):
        raise InputError(
            f"{path}: {key!r} must list cases with an image, got {shown(listed)}"
        )
    return [
        {
            "image": str(pathlib.PurePath(entry["image"])),
            "label": entry.get("label") or entry["image"].replace("images", "labels"),
        }
        for entry in entries
    ]


def _amos_number(path, entry):
    match = re.search(r"_([0-9]+)\.nii", entry["image"])
    if match is None:
        raise InputError(
            f"{path} lists {shown(entry['image'])}, expected a name such as "
            "amos_0001.nii.gz"
        )
    return int(match[1])


_BRATS_SUFFIXES = ("t1", "t1ce", "t2", "flair")
# Published numbers of training and test cases; those between them validate.
_BRATS_CASES, _BRATS_TRAIN, _BRATS_TEST = 1251, 938, 282


def _brats_folders(folder):
    """Dict from the uid of each case to its folder.

    Single cases are also archives of their own, which may lie unpacked beside the
    others: a case that is there twice is taken from the folder of its name.
    """
    folder_of: dict[str, pathlib.Path] = {}
    for path in sorted(folder.rglob("BraTS2021_*_seg.nii.gz")):
        uid = path.name.removesuffix("_seg.nii.gz")
        if uid not in folder_of or path.parent.name == uid:
            folder_of[uid] = path.parent
    around = {path.parent for uid, path in folder_of.items() if path.name == uid}
    for path in sorted(path for each in around for path in each.iterdir()):
        is_case = path.is_dir() and re.fullmatch("BraTS2021_[0-9]+", path.name)
        if is_case and path.name not in folder_of:
            raise InputError(
                f"{path} holds no {path.name}_seg.nii.gz: without this case, others "
                "would leave their published splits"
            )
    return folder_of


def _brats2021(folder):
    folder_of = _brats_folders(folder)
    uids = sorted(folder_of)
    train = round(len(uids) * _BRATS_TRAIN / _BRATS_CASES)
    test = round(len(uids) * _BRATS_TEST / _BRATS_CASES)
    # Of a part of the cases, too.
    train = min(train, len(uids) - test - 1)
    cases = []
    for index, uid in enumerate(uids):
        split = "train" if index < train else "validation"
        files = [
            str(folder_of[uid] / f"{uid}_{suffix}.nii.gz")
            for suffix in (*_BRATS_SUFFIXES, "seg")
        ]
        if index >= len(uids) - test:
            split = "test"
        cases.append(Case(uid, tuple(files[:-1]), files[-1], split))
    return _declared(
        folder,
        [(0, "background"), (1, "necrotic core"), (2, "edema"), (4, "enhancing part")],
        ["T1", "T1Gd", "T2", "FLAIR"],
        cases,
        "the BraTS 2021 challenge",
        regions=(
            Region("whole tumor", (1, 2, 4), 2),
            Region("tumor core", (1, 4), 1),
            Region("enhancing tumor", (4,), 4),
        ),
    )


_PELVIC_CLASSES = (
    "background",
    "bladder",
    "bone",
    "obturator internus",
    "transition zone",
    "central gland",
    "rectum",
    "seminal vesicle",
    "neurovascular bundle",
)
# Of each institution: cases that validate, and the share that is not tested on.
_PELVIC_VALIDATED, _PELVIC_NOT_TESTED = 2, 0.75


def _male_pelvic_mr(folder):
    uids_of = {}
    path = folder / "institution.txt"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {one_line(error)}") from error
    for line in text.splitlines():
        words = line.split()
        if words and len(words) != 2:
            raise InputError(
                f"{path} has the line {shown(line)}, expected the name of a case and "
                "its institution"
            )
        if words:
            uids_of.setdefault(words[1], []).append(words[0])
    cases = [
        Case(
            uid,
            (str(folder / "data" / f"{uid}_img.nii"),),
            str(folder / "data" / f"{uid}_mask.nii"),
            _pelvic_split(index, len(uids)),
            columns=(("institution", institution),),
        )
        for institution, uids in uids_of.items()
        for index, uid in enumerate(uids)
    ]
    return _declared(
        folder,
        enumerate(_PELVIC_CLASSES),
        ["T2"],
        cases,
        "https://zenodo.org/records/7013610",
    )


def _pelvic_split(index, number):
    """Split of a case by its place among those of its institution."""
    if index < _PELVIC_VALIDATED:
        return "validation"
    # The published code takes the number that validates off once more.
    is_train = index < int(number * _PELVIC_NOT_TESTED) - _PELVIC_VALIDATED
    return "train" if is_train else "test"


_MUSCLE_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def _muscle_us(folder):
    cases = []
    for name, split in _MUSCLE_SPLITS.items():
        labels = _pictures(folder / f"{name}annot")
        for key, image in _pictures(folder / name).items():
            if key in labels:
                cases.append(Case(image.stem, (str(image),), str(labels[key]), split))
    # Several muscles of a person, and several pictures of a muscle.
    persons = {case.uid: re.search(r"_anon_(\d+)_", case.uid) for case in cases}
    return _declared(
        folder,
        [(0, "background"), (255, "muscle")],
        ["ultrasound"],
        cases,
        "https://data.mendeley.com/datasets/3jykz7wz8d",
        groups={uid: found[1] if found else uid for uid, found in persons.items()},
    )


def _pictures(folder):
    """Dict from the name of each .png of a folder, in lower case, to its path."""
    found = {path.name.lower(): path for path in sorted(folder.iterdir())}
    # Files that begin with a dot are those of a system.
    return {key: path for key, path in found.items() if re.match(r"[^.].*\.png$", key)}


def _hippocampus(folder):
    path = folder / "dataset.json"
    return msd_dataset(path, read_json(path))


DOWNLOADS = {
    "male_pelvic_mr": _Download(
        "institution.txt beside a folder data of files such as 001000_img.nii and "
        "001000_mask.nii",
        ("institution.txt", "data/*_img.nii"),
        589,
        _male_pelvic_mr,
    ),
    "amos_ct": _Download(
        "dataset.json beside imagesTr, labelsTr, imagesVa and labelsVa",
        ("dataset.json", "imagesTr", "labelsTr", "imagesVa", "labelsVa"),
        300,
        _amos_ct,
        ("amos22",),
    ),
    "brats2021": _Download(
        "folders such as BraTS2021_00000, each with BraTS2021_00000_flair.nii.gz, "
        "_t1, _t1ce, _t2 and _seg",
        ("**/BraTS2021_*_seg.nii.gz",),
        _BRATS_CASES,
        _brats2021,
    ),
    "muscle_us": _Download(
        "folders train, trainannot, val, valannot, test and testannot of .png",
        tuple(f"{name}{end}/*.png" for name in _MUSCLE_SPLITS for end in ("", "annot")),
        3910,
        _muscle_us,
        (
            "Polito-Radboud-DeepLearningUS/Segmentation_models/data/MuscleCNN",
            "Segmentation_models/data/MuscleCNN",
            "MuscleCNN",
        ),
    ),
    "hippocampus": _Download(
        "dataset.json beside imagesTr and labelsTr",
        ("dataset.json", "imagesTr", "labelsTr"),
        260,
        _hippocampus,
        ("Task04_Hippocampus",),
    ),
}
