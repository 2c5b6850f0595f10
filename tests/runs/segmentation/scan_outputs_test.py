"""Where label maps go: never over a scan, nor over one another."""

import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.runs.segmentation.scan_outputs import check_written, output_path
from tf_diffseg.runs.segmentation.scans import Scan, find_scans


@pytest.fixture
def folder(tmp_path):
    for name in ("a.nii.gz", "b.nii"):
        (tmp_path / name).touch()
    return tmp_path


def test_the_label_map_has_the_name_of_the_scan(tmp_path):
    scan = Scan("a", ("x/a_0000.nii", "x/a_0001.nii"))
    assert output_path(scan, tmp_path) == tmp_path / "a.nii.gz"


def test_a_scan_is_not_written_over_by_whatever_link(folder):
    scan = Scan("a", (str(folder / "a.nii.gz"),))
    link = folder / "link.nii.gz"
    link.symlink_to(folder / "a.nii.gz")
    hard_link = folder / "hard.nii.gz"
    hard_link.hardlink_to(folder / "a.nii.gz")
    for path in (folder / "a.nii.gz", link, hard_link):
        with pytest.raises(InputError, match="^output: .* is the scan .*a.nii.gz"):
            check_written("output", [[folder / "other.nii.gz", path]], [scan])
    check_written("output", [[folder / "other.nii.gz", folder / "b.nii"]], [scan])


def test_a_pattern_over_folders_does_not_write_over_its_scans(tmp_path):
    for name in ("p1", "p2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.nii.gz").touch()
    scans = find_scans("input", str(tmp_path / "*" / "*.nii.gz"), 1)
    files = [[output_path(scan, tmp_path / "p1")] for scan in scans]
    with pytest.raises(InputError, match="is the scan"):
        check_written("output", files, scans)


def test_no_file_is_that_of_two_scans(tmp_path):
    scans = [Scan(name, (f"{name}.nii",)) for name in ("a", "a_entropy")]
    files = [
        [tmp_path / "a.nii.gz", tmp_path / "a_entropy.nii.gz"],
        [tmp_path / "a_entropy.nii.gz"],
    ]
    with pytest.raises(InputError, match="a_entropy.nii.gz would be that of two"):
        check_written("output", files, scans)
