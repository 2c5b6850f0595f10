"""Beam writes the same bytes as `convert_nifti`."""

import importlib.util
import sys

import numpy as np
import pytest

from data_tools import convert_beam
from tests.commands import run_module
from tests.data_tools.in_process import contents
from tf_diffseg.errors import InputError

needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None,
    reason="Apache Beam is not installed; its protobuf may want its own environment",
)


def _run(module, *arguments):
    return run_module(f"data_tools.{module}", *arguments)


@needs_beam
def test_same_bytes_as_convert_nifti(toy_folder, tmp_path):
    flags = [f"--dataset_json={toy_folder.dataset_json}", "--spacing_mm=auto"]
    flags += ["--split=train=0.5,test=0.5", "--num_shards=3", "--intensity=percentile"]
    done = _run("convert_beam", f"--output_dir={tmp_path / 'beam'}", *flags)
    assert done.returncode == 0, done.stderr
    done = _run("convert_nifti", f"--output_dir={tmp_path / 'nifti'}", *flags)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "beam") == contents(tmp_path / "nifti")
    assert not list(tmp_path.glob(".*"))


@needs_beam
def test_a_bad_case_is_one_line(msd_folder, tmp_path):
    msd_folder.add_case("bad", image=np.full((8, 9, 10), np.nan, np.float32))
    flags = [f"--dataset_json={msd_folder.dataset_json}", "--split=train=1"]
    done = _run("convert_beam", f"--output_dir={tmp_path / 'out'}", *flags)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: case 'bad': ")
    assert not (tmp_path / "out").exists()


def test_without_beam_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    message = r"convert_beam needs Apache Beam: pip install 'tf_diffseg\[beam\]'"
    with pytest.raises(InputError, match=message):
        convert_beam._workers()


@needs_beam
@pytest.mark.parametrize(
    "options, message",
    [
        ("--runner=NoRunner", "Unexpected pipeline runner: NoRunner"),
        ("--runner=no.such.Runner", "No module named 'no'"),
        ("--runer=FlinkRunner", "Beam has no option runer for the DirectRunner"),
        ("runner=FlinkRunner", "Beam has no option runner=FlinkRunner for the Direct"),
        ("--direct_num_workers=x", "invalid int value: 'x'"),
    ],
)
def test_wrong_options_are_one_line(options, message):
    from data_tools.conversion.beam_workers import BeamWorkers

    with pytest.raises(InputError) as raised:
        BeamWorkers([options])
    assert str(raised.value).startswith(f"--beam_options={options}: ")
    assert message in str(raised.value)


@needs_beam
def test_other_runners_may_have_other_options():
    from data_tools.conversion.beam_workers import BeamWorkers

    BeamWorkers(["--runner=PortableRunner", "--option_of_the_job_server=1"])
