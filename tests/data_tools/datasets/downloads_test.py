"""Published data sets in the layouts of their downloads."""

import collections
import json

import pytest

from data_tools.datasets.dataset_check import check_cases, dataset_warnings
from data_tools.datasets.downloads import DOWNLOADS, read_download
from data_tools.inspection.verification import verify
from tests.data_tools.datasets.made_downloads import make_download
from tf_diffseg.errors import InputError


def _opened(name, folder):
    dataset = read_download(name, make_download(name, folder))
    check_cases(dataset)
    return dataset


def _splits(dataset):
    splits = collections.defaultdict(list)
    for case in dataset.cases:
        splits[case.split].append(case.uid)
    return dict(splits)


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_is_read_and_nothing_is_wrong_with_it(name, tmp_path):
    dataset = _opened(name, tmp_path)
    assert [problem.message for problem in verify(dataset)] == [
        problem.message for problem in dataset_warnings(dataset)
    ]
    assert dataset.name == name
    if name != "hippocampus":  # It is published with cross-validation.
        assert set(_splits(dataset)) == {"train", "validation", "test"}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_another_folder_is_refused_with_what_is_expected(name, tmp_path):
    (tmp_path / "holiday.jpg").touch()
    for folder, found in (
        (tmp_path, "found 'holiday.jpg'"),
        ("gone", "no such folder"),
    ):
        with pytest.raises(InputError) as error:
            read_download(name, folder)
        message = str(error.value)
        assert message.startswith(f"source_dir={folder}: expected ")
        assert DOWNLOADS[name].layout in message and found in message
        assert "\n" not in message


def test_two_pelvic_cases_of_each_institution_validate(tmp_path):
    """Then the published rule trains up to two cases before three quarters."""
    dataset = _opened("male_pelvic_mr", tmp_path)
    of_first, of_second = range(8), range(8, 16)
    assert _splits(dataset) == {
        name: [f"{number:06d}" for of in (of_first, of_second) for number in of[places]]
        for name, places in {
            "validation": slice(0, 2),
            "train": slice(2, 4),
            "test": slice(4, 8),
        }.items()
    }
    assert len(dataset.class_names) == 9
    (tmp_path / "institution.txt").write_text("000001\n")
    with pytest.raises(InputError, match="has the line '000001', expected the name"):
        read_download("male_pelvic_mr", tmp_path)


def test_amos_is_ct_and_a_tenth_of_its_validation_validates(tmp_path):
    dataset = _opened("amos_ct", tmp_path)
    splits = _splits(dataset)
    assert splits["train"] == [f"amos_{number:04d}" for number in range(1, 9)]
    assert (splits["validation"], len(splits["test"])) == (["amos_0009"], 2)
    assert (dataset.channel_names, len(dataset.class_names)) == (["CT"], 16)
    assert dataset_warnings(dataset) == []


def test_amos_may_list_its_validation_without_labels(tmp_path):
    make_download("amos_ct", tmp_path)
    path = tmp_path / "amos22" / "dataset.json"
    fields = json.loads(path.read_text())
    fields["validation"] = [entry["image"] for entry in fields["validation"]]
    path.write_text(json.dumps(fields))
    dataset = read_download("amos_ct", tmp_path)
    check_cases(dataset)
    assert len(dataset.cases) == 11
    for wrong in ([], [{"label": "a"}], [{"image": "./imagesVa/scan.nii.gz"}]):
        path.write_text(json.dumps(fields | {"validation": wrong}))
        with pytest.raises(InputError, match=r"'validation' must list|expected a name"):
            read_download("amos_ct", tmp_path)


def test_brats_has_overlapping_regions(tmp_path):
    dataset = _opened("brats2021", tmp_path)
    assert {name: len(uids) for name, uids in _splits(dataset).items()} == {
        "train": 5,
        "validation": 1,
        "test": 2,
    }
    assert [region.label_values for region in dataset.regions] == [
        (1, 2, 4),
        (1, 4),
        (4,),
    ]
    assert len(dataset.cases[0].image_paths) == 4


def test_all_cases_of_brats_have_the_published_splits(tmp_path):
    for number in range(1251):
        uid = f"BraTS2021_{number:05d}"
        (tmp_path / "BraTS2021_Training_Data" / uid).mkdir(parents=True)
        (tmp_path / "BraTS2021_Training_Data" / uid / f"{uid}_seg.nii.gz").touch()
    splits = _splits(read_download("brats2021", tmp_path))
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [
        938,
        31,
        282,
    ]
    assert splits["test"][-1] == "BraTS2021_01250"


def test_muscles_without_a_mask_are_left_out(tmp_path):
    dataset = _opened("muscle_us", tmp_path)
    assert _splits(dataset)["test"] == ["BB_anon_5_1"]
    assert dataset.label_values == [0, 255]
    (warning,) = dataset_warnings(dataset)
    assert "BB_anon_6_1.png" in warning.message
