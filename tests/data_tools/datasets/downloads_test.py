"""Published data sets in the layouts of their downloads."""

import collections
import dataclasses
import json
import pathlib
import shutil

import pytest

from data_tools.datasets.dataset_check import check_cases, dataset_warnings
from data_tools.datasets.downloads import DOWNLOADS, read_download
from data_tools.datasets.split_plan import SplitRule, with_splits
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
    (warning,) = dataset_warnings(dataset)
    assert "11 case(s) are here, 300 were published" in warning.message


def test_amos_may_list_its_validation_without_labels(tmp_path):
    make_download("amos_ct", tmp_path)
    path = tmp_path / "amos22" / "dataset.json"
    fields = json.loads(path.read_text())
    fields["validation"] = [entry["image"] for entry in fields["validation"]]
    path.write_text(json.dumps(fields))
    dataset = read_download("amos_ct", tmp_path)
    check_cases(dataset)
    assert len(dataset.cases) == 11
    for tested in (None, 90):
        path.write_text(json.dumps(fields | {"test": tested}))
        assert len(read_download("amos_ct", tmp_path).cases) == 11
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
    (published, warning) = dataset_warnings(dataset)
    assert "3910 were published" in published.message
    assert "BB_anon_6_1.png" in warning.message


def test_pictures_of_a_person_stay_in_one_fold(tmp_path):
    """Also those of another muscle, whatever the case of an ending."""
    make_download("muscle_us", tmp_path)
    for end in ("", "annot"):
        folder = tmp_path / f"train{end}"
        (folder / "BB_anon_1_1.png").rename(folder / "BB_anon_0_2.PNG")
        (folder / "BB_anon_2_1.png").rename(folder / "GM_anon_0_1.png")
        (folder / "._BB_anon_3_1.png").write_bytes(b"of a system")
    dataset = read_download("muscle_us", tmp_path)
    rule = SplitRule({"train": 1.0})
    divided = with_splits(dataset, rule)
    person = {"BB_anon_0_1": "0", "BB_anon_0_2": "0", "GM_anon_0_1": "0"}
    others = {f"BB_anon_{number}_1": str(number) for number in (3, 4, 5)}
    assert divided.groups == person | others
    assert divided.cases == dataset.cases
    assert divided.split_notes == dataset.split_notes
    (tmp_path / "test" / "BB_anon_5_1.png").rename(
        tmp_path / "test" / "GM_anon_0_7.png"
    )
    label = tmp_path / "testannot" / "BB_anon_5_1.png"
    label.rename(label.with_name("GM_anon_0_7.png"))
    note = with_splits(read_download("muscle_us", tmp_path), rule).split_notes[-1]
    assert "'BB_anon_0_1' and 'GM_anon_0_7' look like scans of one patient" in note
    assert "in the splits train and test" in note


def test_cases_of_brats_are_found_wherever_they_were_unpacked(tmp_path):
    make_download("brats2021", tmp_path / "BraTS2021_Training_Data")
    expected = read_download("brats2021", tmp_path).cases
    assert len(expected) == 8
    whole = tmp_path / "BraTS2021_Training_Data"
    # A case in a folder of an archive, one without a folder, and a copy of one.
    (tmp_path / "BraTS2021_00003").mkdir()
    (whole / "BraTS2021_00003").rename(tmp_path / "BraTS2021_00003" / "BraTS2021_00003")
    for path in (whole / "BraTS2021_00001").iterdir():
        path.rename(tmp_path / path.name)
    (whole / "BraTS2021_00001").rmdir()
    shutil.copytree(whole / "BraTS2021_00002", tmp_path / "A copy")
    dataset = read_download("brats2021", tmp_path)
    check_cases(dataset)
    assert _splits(dataset) == _splits(dataclasses.replace(dataset, cases=expected))
    place = {case.uid: pathlib.Path(case.label_path).parent for case in dataset.cases}
    assert place["BraTS2021_00001"] == tmp_path
    assert place["BraTS2021_00002"] == whole / "BraTS2021_00002"
    assert place["BraTS2021_00003"] == tmp_path / "BraTS2021_00003" / "BraTS2021_00003"
    (whole / "BraTS2021_00004" / "BraTS2021_00004_seg.nii.gz").unlink()
    with pytest.raises(InputError, match="00004 holds no BraTS2021_00004_seg.nii.gz"):
        read_download("brats2021", tmp_path)


def test_a_data_set_that_is_there_twice_is_refused(tmp_path):
    make_download("hippocampus", tmp_path)
    make_download("hippocampus", tmp_path / "Task04_Hippocampus")
    with pytest.raises(InputError, match="holds hippocampus twice, in .*; name the on"):
        read_download("hippocampus", tmp_path)
    place = tmp_path / "Task04_Hippocampus"
    assert len(read_download("hippocampus", place).cases) == 8


def test_a_list_of_institutions_may_have_a_byte_order_mark(tmp_path):
    make_download("male_pelvic_mr", tmp_path)
    path = tmp_path / "institution.txt"
    path.write_text(path.read_text(), encoding="utf-8-sig")
    check_cases(read_download("male_pelvic_mr", tmp_path))
    path.write_bytes("000000 Zürich".encode("latin-1"))
    with pytest.raises(InputError, match=f"{path} cannot be read: 'utf-8'"):
        read_download("male_pelvic_mr", tmp_path)
