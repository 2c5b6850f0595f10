"""One command from a download to figures beside the published ones."""

import nibabel as nib
import pytest

from tests.commands import run_module
from tests.data_tools.datasets.made_downloads import make_download


def _call(*arguments):
    process = run_module("experiments.reproduce", *arguments)
    return process.returncode, process.stdout + process.stderr


def test_a_folder_of_something_else_ends_with_what_is_expected(tmp_path):
    make_download("hippocampus", tmp_path / "other")
    flags = [f"--source_dir={tmp_path / 'other'}", f"--output_dir={tmp_path / 'out'}"]
    code, output = _call("--dataset=amos_ct", *flags)
    assert code == 1 and "convert_nifti" not in output
    (line,) = [line for line in output.splitlines() if "expected" in line]
    assert "expected dataset.json beside imagesTr, labelsTr, imagesVa" in line
    assert "as amos_ct is downloaded; found 'dataset.json', 'imagesTr'" in line
    code, output = _call("--dataset=muscle_us", "--dimensions=3", *flags)
    assert code == 1 and "--dimensions=3: muscle_us are pictures" in output
    code, output = _call("--dataset=muscle_us", "--patch_shape=16,16,8", *flags)
    assert code == 1 and "--patch_shape=16,16,8: slice by slice, a patch has" in output


@pytest.mark.slow
def test_networks_of_a_data_set_share_its_shards(tmp_path):
    make_download("hippocampus", tmp_path / "download")
    out = tmp_path / "out"
    flags = ["--dataset=hippocampus", f"--output_dir={out}"]
    flags += [f"--source_dir={tmp_path / 'download'}", "--epochs=1", "--batch_size=2"]
    flags += ["--num_channels=4,8", "--num_heads=0", "--patches_per_volume=1"]
    code, output = _call(*flags, "--dry_run")
    assert code == 0 and "nothing was kept" in output
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["shards"]
    code, output = _call(*flags)
    assert code == 0, output
    assert output.count("done before") == 2
    # Flags of the training, changed: refused, or more of the same.
    code, output = _call(*flags, "--learning_rate=0.5")
    assert code == 1 and "now 0.5 would train nothing; ask for more" in output
    code, output = _call(*flags, "--num_channels=8,16")
    assert code == 1 and "with another config: num_channels was" in output
    code, output = _call(*flags, "--dry_run")
    assert code == 0 and "nothing was kept" in output
    code, output = _call(*flags, "--epochs=2")
    assert code == 0 and "epoch 2/2" in output, output
    code, output = _call(*flags, "--epochs=2")
    assert code == 0 and output.count("done before") == 5
    code, output = _call(*flags, "--dimensions=2", "--nodiffusion")
    assert code == 0, output
    assert (out / "2d_supervised" / "export" / "1" / "saved_model.pb").is_file()
    rows = [line.split() for line in output.splitlines()]
    first = rows.index(
        ["network", "Dice", "published", "HD95", "mm", "published", "cases"]
    )
    diffusion, supervised, slices, source = rows[first + 1 : first + 5]
    assert diffusion[:2] == ["3d", "diffusion"] and diffusion[-1] == "2"
    # It is published, and was not trained here.
    assert supervised == ["3d", "supervised", "-", "0.890", "-", "-", "-"]
    assert slices[:2] == ["2d", "supervised"] and slices[-1] == "2"
    assert "nnU-Net," in source


@pytest.mark.slow
def test_pictures_go_all_the_way(tmp_path):
    make_download("muscle_us", tmp_path / "download")
    out = tmp_path / "out"
    flags = ["--dataset=muscle_us", f"--source_dir={tmp_path / 'download'}"]
    flags += [f"--output_dir={out}", "--epochs=1", "--batch_size=2", "--num_heads=0"]
    flags += ["--accumulation_steps=1", "--num_channels=4,8", "--patch_shape=16,16,1"]
    flags += ["--validation_frequency=1", "--precision=float32"]
    code, output = _call(*flags)
    assert code == 0, output
    assert "\n2d diffusion  0." in output
    results = out / "2d_diffusion" / "results"
    assert (results / "report.html").is_file() and list(results.glob("*.png"))
    picture = tmp_path / "download" / "test" / "BB_anon_5_1.png"
    label = tmp_path / "label.nii.gz"
    process = run_module(
        "experiments.segment",
        f"--model={out / '2d_diffusion' / 'export' / '1'}",
        f"--input={picture}",
        f"--output={label}",
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert nib.load(label).shape == (24, 20, 1)
    flags = [f"--data_dir={out / 'shards'}", f"--model_dir={tmp_path / 'auto'}"]
    process = run_module("experiments.train", *flags, "--dry_run", "--epochs=1")
    assert process.returncode == 0, process.stdout + process.stderr
    assert "patch_shape" in process.stdout and "24,20,1" in process.stdout
