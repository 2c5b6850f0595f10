"""Random changes of real headers and dataset files end in success or a named error.

Each run uses its number as the seed, so it can be repeated.
"""

import contextlib
import copy
import gzip
import json
import re
import shutil
import signal

import nibabel as nib
import numpy as np
import pytest

from data_tools.conversion.case_conversion import Recipe, convert_case
from data_tools.datasets.dataset_check import check_cases
from data_tools.datasets.open_dataset import read_dataset
from data_tools.inspection.verification import verify
from experiments.benchmarks.peak_memory import peak_bytes, reset_peak
from tf_diffseg.errors import InputError
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.volumes.volume_files import read_image, read_label

_TIME_LIMIT_S = 20
_MEMORY_LIMIT_BYTES = 2 << 30  # beyond what the process holds before

_PREPROCESSING = VolumePreprocessor((2, 2, 2), (16, 16, 16)).get_config()

_HEADER = nib.Nifti1Header.template_dtype
_NUMBERS = (0, 1, -1, 2, 7, 127, -128, 255, 32767, -32768, 2**31 - 1, -(2**31))
_FLOATS = (*_NUMBERS, np.nan, np.inf, -np.inf, 1e-30, 1e30, 3.4e38, 0.5, -1e-3)

_VALUES = (
    *(None, True, False, 0, -1, 2, 1e308, 10**30, float("nan"), "", " ", "\0", "a\nb"),
    *("\ud800", "..", "../x.nii.gz", "/dev/zero", "/dev/stdin", "a" * 5000, "0", "é"),
    *([], {}, [[]], {"0": 0}, {"": ""}, ["x"], [None], [0, 1], {"0": None}),
)


@contextlib.contextmanager
def _time_limit(seconds):
    def stop(*_):
        raise TimeoutError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _run(path, labels=None, most_cases=2):
    """Verifies a data set and converts its first cases; returns the errors."""
    try:
        dataset = read_dataset(path, labels)
    except InputError as error:
        return [str(error)]
    problems = verify(dataset)
    messages = [p.message for p in problems if p.severity.value == "error"]
    try:
        check_cases(dataset)
    except InputError as error:
        # Verification must find all errors of opening first.
        assert messages, error
        return [*messages, str(error)]
    recipe = Recipe.of(dataset, _PREPROCESSING, "float32")
    bad = {p.uid for p in problems if p.severity.value == "error"}
    for case in dataset.cases[:most_cases]:
        try:
            convert_case(case, recipe)
        except InputError as error:
            # This message is for unexpected errors, so it would be a bug.
            assert " cannot be converted: " not in str(error), error
            assert case.uid in bad or "is too large for a spac" in str(error), error
            messages.append(str(error))
    return messages


def _succeeds(seed, run, *arguments):
    """Whether a run succeeded; raises AssertionError on anything but named errors."""
    reset_peak()
    before = peak_bytes()
    try:
        with _time_limit(_TIME_LIMIT_S):
            messages = run(*arguments)
        for message in messages:
            assert message.isprintable(), message
            assert len(message) < 20_000
        assert peak_bytes() - before < _MEMORY_LIMIT_BYTES
    except Exception as error:
        raise AssertionError(f"run {seed}: {error!r}") from error
    return not messages


def _changed_header(rng, content):
    """Replaces some fields or bytes of a header."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.3:
            content[rng.integers(352)] = rng.integers(256)
            continue
        name = rng.choice(_HEADER.names)
        field, offset = _HEADER.fields[name][:2]
        base, shape = field.subdtype or (field, ())
        if base.kind in "if" and rng.random() < 0.8:
            count = int(np.prod(shape, dtype=int))
            place = offset + base.itemsize * int(rng.integers(count))
            values = _FLOATS if base.kind == "f" else _NUMBERS
            value = values[rng.integers(len(values))]
            with np.errstate(all="ignore"):
                written = np.asarray(value).astype(base).tobytes()
        else:
            place, written = offset, rng.bytes(field.itemsize)
        content[place : place + len(written)] = written
    return bytes(content)


def _changed_stream(rng, content):
    """Replaces bytes anywhere, or cuts off the end."""
    if rng.random() < 0.4:
        return content[: rng.integers(len(content))]
    content = bytearray(content)
    for _ in range(rng.integers(1, 20)):
        content[rng.integers(len(content))] = rng.integers(256)
    return bytes(content)


@pytest.fixture
def two_cases(hippocampus_dir, tmp_path):
    """A folder with two real cases, and the fields of its dataset.json."""
    fields = json.loads((hippocampus_dir / "dataset.json").read_text())
    fields["training"] = fields["training"][:2]
    fields["numTraining"] = 2
    for entry in fields["training"]:
        for name in entry.values():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            shutil.copy(hippocampus_dir / name, path)
    (tmp_path / "dataset.json").write_text(json.dumps(fields))
    return tmp_path, fields


@pytest.mark.slow
def test_headers(two_cases):
    folder, fields = two_cases
    names = list(fields["training"][0].values())
    contents = {name: gzip.decompress((folder / name).read_bytes()) for name in names}
    succeeded = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        index = int(rng.integers(2))
        name = names[index]
        changed = dict(fields["training"][0])
        content = _changed_header(rng, contents[name])
        if rng.random() < 0.3:
            changed[("image", "label")[index]] = name.removesuffix(".gz")
            path = folder / name.removesuffix(".gz")
        else:
            path, content = folder / name, gzip.compress(content, 1)
        if rng.random() < 0.2:
            content = _changed_stream(rng, content)
        path.write_bytes(content)
        training = [changed, fields["training"][1]]
        text = json.dumps({**fields, "training": training})
        (folder / "dataset.json").write_text(text)
        succeeded += _succeeds(seed, _run, folder, None, 1)  # only the changed case
        (folder / name).write_bytes(gzip.compress(contents[name], 1))
    # Some are refused, but not all.
    assert 30 < succeeded < 270


def _places(value, path=()):
    """Yields the paths to all values in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _places(inner, (*path, key))


def _changed_json(rng, fields):
    """Encodes a JSON object with changed values, keys or characters."""
    fields = copy.deepcopy(fields)
    for _ in range(rng.integers(1, 3)):
        places = [path for path in _places(fields) if path]
        *path, key = places[rng.integers(len(places))]
        holder = fields
        for step in path:
            holder = holder[step]
        value = copy.deepcopy(_VALUES[rng.integers(len(_VALUES))])
        kind = rng.integers(4)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict) and isinstance(value, str):
            holder[value] = holder.pop(key)
        elif kind == 2 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = value
        if not fields:
            break
    text = json.dumps(fields, ensure_ascii=rng.random() < 0.5)
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.25:
        data = _changed_stream(rng, data)
    if rng.random() < 0.03:
        data = b"[" * 200_000
    return data


def _as_nnunet(folder, fields):
    """Turns the cases in a folder into an nnU-Net data set."""
    for entry in fields["training"]:
        path = folder / entry["image"]
        path.rename(re.sub(r"\.nii\.gz$", "_0000.nii.gz", str(path)))
    return {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "whole": [1, 2], "posterior": 2},
        "regions_class_order": [1, 2],
        "numTraining": 2,
        "file_ending": ".nii.gz",
        "name": "Hippocampus",
    }


@pytest.mark.slow
@pytest.mark.parametrize("convention", ["msd", "nnunet"])
def test_dataset_json(two_cases, convention):
    folder, fields = two_cases
    if convention == "nnunet":
        fields = _as_nnunet(folder, fields)
    succeeded = 0
    for seed in range(80):
        data = _changed_json(np.random.default_rng(seed), fields)
        (folder / "dataset.json").write_bytes(data)
        succeeded += _succeeds(seed, _run, folder)
    assert 5 < succeeded < 60


@pytest.mark.slow
def test_table(two_cases):
    folder, fields = two_cases
    lines = [
        f"{entry['image']},{entry['label']},case {index},train"
        for index, entry in enumerate(fields["training"])
    ]
    text = "\n".join(["image,label,uid,split", *lines]).encode()
    labels = {0: "background", 1: "anterior", 2: "posterior"}
    succeeded = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        (folder / "cases.csv").write_bytes(_changed_stream(rng, text))
        succeeded += _succeeds(seed, _run, folder / "cases.csv", labels)
    assert succeeded < 40


def _changed_text(rng, content, length):
    """Replaces numbers and bytes among the first `length` bytes."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        numbers = list(re.finditer(rb"\d+", content[:length]))
        if numbers and rng.random() < 0.5:
            number = numbers[rng.integers(len(numbers))]
            text = (b"0", b"-1", b"99999", b"nan", b"1e30", b"4000000000", b"")
            content[slice(*number.span())] = text[rng.integers(len(text))]
        else:
            place = rng.integers(length)
            content[place : place + 4] = rng.bytes(int(rng.integers(1, 7)))
    return bytes(content)


def _read(path):
    messages = []
    for read in (read_image, read_label):
        try:
            read(path)
        except InputError as error:
            messages.append(str(error))
    return messages


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.mgh", "a.nrrd", "a.mha", "compressed.mha"])
def test_changed_files_of_other_formats(two_cases, tmp_path, name):
    volume = read_label(tmp_path / two_cases[1]["training"][0]["label"])
    path = tmp_path / name
    if name.endswith(".mgh"):
        nib.save(nib.MGHImage(volume.array, volume.affine.astype("f4")), path)
    else:
        sitk = pytest.importorskip("SimpleITK")
        image = sitk.GetImageFromArray(volume.array.T)
        sitk.WriteImage(image, str(path), "compressed" in name)
    content = path.read_bytes()
    succeeded = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        changed = _changed_text(rng, content, length=min(400, len(content)))
        if rng.random() < 0.1:
            changed = _changed_stream(rng, changed)
        path.write_bytes(changed)
        succeeded += _succeeds(seed, _read, path)
    assert succeeded < 90
