"""The examples in the docstrings of the public names run."""

import doctest
import pathlib
import shutil
import tarfile

import keras
import nibabel
import numpy as np
import pytest
import tensorflow as tf

import tf_diffseg
from tf_diffseg import diffusion
from tf_diffseg.data.manifest import read_manifest

_WRITTEN = pathlib.Path(__file__).parent / "golden" / "written.tar.xz"


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Names that the examples use: the library, a run, and its training data."""
    if not _WRITTEN.is_file():
        pytest.skip("Bazel gives files to the tests of their own folder")
    folder = tmp_path_factory.mktemp("written")
    with tarfile.open(_WRITTEN) as archive:
        archive.extractall(folder, filter="data")
    shutil.copy(folder / "volumes" / "imagesTr" / "case5.nii.gz", folder / "i.nii.gz")
    data_dir = folder / "shards"
    return {
        **{name: getattr(tf_diffseg, name) for name in tf_diffseg.__all__},
        "get_betas": diffusion.get_betas,
        "initial_noise": diffusion.initial_noise,
        "keras": keras,
        "nibabel": nibabel,
        "np": np,
        "tf": tf,
        "run": folder / "run",
        "data_dir": data_dir,
        "shard_paths": read_manifest(data_dir).shard_paths(data_dir, "train"),
        "folder": folder,
    }


class _Values(doctest.OutputChecker):
    """Ignores output, such as progress, if an example shows none."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


# They train.
_SLOW = {"cross_validate": pytest.mark.slow, "train": pytest.mark.slow}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=_SLOW.get(name, ()))
        for name in sorted(tf_diffseg.__all__)
    ],
)
def test_the_example_runs(name, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(names["folder"] / "i.nii.gz", "image.nii.gz")
    docstring = getattr(tf_diffseg, name).__doc__
    test = doctest.DocTestParser().get_doctest(docstring, dict(names), name, None, None)
    assert 2 <= sum(each.source.count("\n") for each in test.examples) <= 5
    found = []
    doctest.DocTestRunner(_Values(), verbose=False).run(test, out=found.append)
    assert not found, "".join(found)
