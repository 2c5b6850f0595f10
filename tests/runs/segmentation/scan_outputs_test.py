"""Label maps never overwrite a scan or one another."""

import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.runs.segmentation.scan_outputs import check_written, output_path
from tf_diffseg.runs.segmentation.scans import Scan


def test_a_scan_is_never_overwritten_through_any_link(tmp_path):
    scan_path, link, hard_link = (
        tmp_path / f"{name}.nii.gz" for name in ("scan", "link", "hard")
    )
    scan_path.touch()
    link.symlink_to(scan_path)
    hard_link.hardlink_to(scan_path)
    (tmp_path / "other.nii").touch()
    scan, new = Scan("scan", (str(scan_path),)), tmp_path / "new.nii.gz"
    for path in (scan_path, link, hard_link, output_path(scan, tmp_path)):
        with pytest.raises(InputError, match="^output: .* is the scan .*scan.nii.gz"):
            check_written("output", [[new, path]], [scan])
    check_written("output", [[new, tmp_path / "other.nii"]], [scan])


def test_a_file_for_two_scans_is_refused(tmp_path):
    scans = [Scan(name, (f"{name}.nii",)) for name in ("a", "a_entropy")]
    files = [
        [tmp_path / "a.nii.gz", tmp_path / "a_entropy.nii.gz"],
        [tmp_path / "a_entropy.nii.gz"],
    ]
    with pytest.raises(
        InputError, match="two scans would be written to .*a_entropy.nii.gz"
    ):
        check_written("output", files, scans)
