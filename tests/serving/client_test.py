"""The clients against a server in another process, by TF Serving's own messages."""

import contextlib
import importlib.util
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from tests.commands import ROOT, run_module
from tests.serving.exported_toy import LABEL_VALUES, ExportedToy, nifti_files, volumes
from tf_diffseg.errors import InputError
from tf_diffseg.serving import GrpcClient, RestClient, ServerError, client
from tf_diffseg.serving.client import segment_file

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_serving") is None,
    reason="no tensorflow-serving-api",
)


@contextlib.contextmanager
def _serving(path, *arguments):
    """Starts a server in another process, and gives the ports of gRPC and REST."""
    command = [sys.executable, "-m", "tests.serving.model_server", str(path), "toy"]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [*command, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield tuple(map(int, process.stdout.readline().split()))
        finally:
            process.stdin.close()


@pytest.fixture(scope="module")
def ports(exported):
    # The server refuses two requests as if it were busy: the clients ask again.
    with _serving(exported.path, 2) as found:
        yield found


@pytest.fixture(params=[GrpcClient, RestClient])
def opened(request, ports):
    """A client of the server."""
    port = ports[0] if request.param is GrpcClient else ports[1]
    with request.param(f"localhost:{port}", "toy", timeout_s=300.0) as opened:
        yield opened


def test_a_busy_server_is_asked_again_and_gives_what_the_model_gives(opened, exported):
    # By default gRPC would keep only 256 KB of a request.
    contents = nifti_files(compressed=False)[0] + b"\0" * 2**20
    result = opened.segment_nifti(contents, seed=3)
    expected = exported.run("segment_nifti", contents=[contents], seed=np.int32([3]))
    assert result.keys() == expected.keys()
    for name, value in result.items():
        assert value.dtype == expected[name].dtype
        np.testing.assert_array_equal(value, expected[name][0])


def test_arrays_are_sent_as_well(opened, exported):
    image, affine = volumes()
    inputs = {"image": image, "affine": affine, "seed": np.int32([3, 11])}
    outputs = opened.predict("segment_volume", inputs)
    expected = exported.run("segment_volume", **inputs)
    np.testing.assert_array_equal(outputs["label"], expected["label"])
    np.testing.assert_allclose(outputs["uncertainty"], expected["uncertainty"], 1e-6)


@pytest.mark.parametrize(
    "contents, options, message, codes",
    [
        (
            b"text",
            {},
            r"localhost:\d+, model toy: .*bytes of a .nii",
            ("INVALID_ARGUMENT", "400"),
        ),
        (b"text", {"version": 9}, "Servable not found", ("NOT_FOUND", "404")),
        (nifti_files()[0], {"timeout_s": 1e-3}, "model toy", ("DEADLINE_EXCEEDED",)),
    ],
    ids=["bad file", "unknown version", "deadline"],
)
def test_a_refusal_of_the_server_is_raised(opened, contents, options, message, codes):
    with type(opened)(opened.server, "toy", **options) as asking:
        with pytest.raises(ServerError, match=message) as error:
            asking.segment_nifti(contents)
    assert error.value.code in codes


@pytest.mark.parametrize("kind", [GrpcClient, RestClient])
def test_a_server_that_is_not_there_is_named(kind, monkeypatch, caplog):
    monkeypatch.setattr("tf_diffseg.serving.prediction_client._FIRST_WAIT_S", 0.01)
    with kind("localhost:1", "toy", timeout_s=30.0) as nobody:
        with pytest.raises(ServerError, match="localhost:1, model toy") as error:
            nobody.segment_nifti(nifti_files()[0])
    assert error.value.code == "UNAVAILABLE"
    assert "refused" in str(error.value) and len(str(error.value)) < 200
    assert not [each for each in caplog.records if each.name.startswith("urllib3")]


def test_numbers_that_json_cannot_hold_are_refused():
    inputs = {"image": np.full([1, 4, 4, 4, 1], np.nan), "seed": np.zeros(1, np.int32)}
    with RestClient("localhost:1", "toy", timeout_s=30.0) as nobody:
        with pytest.raises(ServerError, match="expected finite numbers") as error:
            nobody.predict("serving_default", inputs)
    assert error.value.code == "INVALID_ARGUMENT"


def test_the_scan_is_not_overwritten(tmp_path):
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(nifti_files()[0])
    with pytest.raises(ValueError, match="scan.nii.gz is `input`, name another"):
        segment_file(None, path, path)


class _Recorder:
    """A client that keeps what it sends; its label maps are of one class."""

    sent = None

    def segment_nifti(self, contents, seed):
        self.sent = nib.Nifti1Image.from_bytes(contents)
        return {"label": np.ones(self.sent.shape, np.int32)}


def test_the_label_map_has_the_grid_of_the_scan_but_no_other_header_data(tmp_path):
    scan = nib.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.diag([1e-3] * 3 + [1]))
    scan.set_qform(np.diag([1e-3, 2e-3, 3e-3, 1.0]), 1)
    scan.set_sform(np.diag([-1e-3, 2e-3, 3e-3, 1.0]), 4)
    scan.header.set_xyzt_units("meter")
    scan.header["descrip"], scan.header["cal_max"] = b"Doe^Jane", 400
    scan.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"Doe^Jane"))
    nib.save(scan, tmp_path / "scan.nii")
    segment_file(_Recorder(), tmp_path / "scan.nii", tmp_path / "label.nii.gz")
    label = nib.load(tmp_path / "label.nii.gz")
    for form in ("get_qform", "get_sform"):
        expected, code = getattr(scan, form)(coded=True)
        found, found_code = getattr(label, form)(coded=True)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert found_code == code
    assert label.header.get_xyzt_units()[0] == "meter"
    assert label.header["descrip"].item() == b"" and label.header["cal_max"] == 0
    assert len(label.header.extensions) == 0


def test_what_the_command_segment_refuses_is_not_sent(tmp_path):
    voxels, affine = np.ones((2, 3, 4), np.int16), np.diag([2.0, 2.0, 2.0, 1.0])
    nib.save(nib.Spm99AnalyzeImage(voxels, affine), tmp_path / "analyze.img")
    nib.save(nib.Nifti1Pair(voxels, affine), tmp_path / "pair.img")
    cifti = nib.Nifti1Image(voxels, affine)
    cifti.header["intent_code"] = 3001
    nib.save(cifti, tmp_path / "cifti.nii")
    nan = nib.Nifti1Image(np.full((2, 3, 4), np.nan, np.float32), affine)
    nib.save(nan, tmp_path / "nan.nii.gz")
    for name in ("analyze.img", "pair.img", "pair.hdr", "cifti.nii", "nan.nii.gz"):
        recorder = _Recorder()
        with pytest.raises(InputError, match=name):
            segment_file(recorder, tmp_path / name, tmp_path / "label.nii")
        assert recorder.sent is None


def test_what_is_not_nifti_is_sent_as_nifti_in_millimetres(tmp_path, capsys):
    sitk = pytest.importorskip("SimpleITK")
    voxels = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.1, 0.2, 0.3))
    sitk.WriteImage(image, str(tmp_path / "scan.mha"))
    content = (tmp_path / "scan.mha").read_bytes()
    in_cm = content.replace(b"ElementType", b"DistanceUnits = cm\nElementType")
    (tmp_path / "scan.mha").write_bytes(in_cm)
    recorder = _Recorder()
    segment_file(recorder, tmp_path / "scan.mha", tmp_path / "out" / "label.nrrd")
    assert "centimetre" in capsys.readouterr().out
    np.testing.assert_array_equal(recorder.sent.get_fdata(), voxels.T)
    np.testing.assert_allclose(recorder.sent.header.get_zooms(), (1, 2, 3), rtol=1e-6)
    label = sitk.ReadImage(str(tmp_path / "out" / "label.nrrd"))
    np.testing.assert_allclose(label.GetSpacing(), (1, 2, 3), rtol=1e-6)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["label.nrrd"]


def _run_here(**flag_values):
    """Runs the command in this process, and gives its exit code."""
    flags.FLAGS.mark_as_parsed()
    texts = {name: str(value) for name, value in flag_values.items()}
    with flagsaver.as_parsed(**texts):
        return client._main(["client"])


def test_the_command_writes_a_label_map_on_the_grid_of_the_scan(ports, tmp_path):
    image, affine = volumes()
    scan = nib.Nifti1Image(image[1, ..., 0], affine[1])
    scan.header.set_slope_inter(1, 0)
    nib.save(scan, tmp_path / "scan.nii.gz")
    nib.save(nib.MGHImage(image[1, ..., 0], affine[1]), tmp_path / "scan.mgz")
    outputs = [tmp_path / "labels" / f"{name}.nii.gz" for name in ("grpc", "rest")]
    shared = ["--model=toy", "--seed=11", f"--input={tmp_path / 'scan.nii.gz'}"]
    server = f"--server=localhost:{ports[0]}"
    process = run_module(
        "tf_diffseg.serving.client", *shared, server, f"--output={outputs[0]}"
    )
    assert process.returncode == 0, process.stderr
    assert not _run_here(
        server=f"localhost:{ports[1]}",
        model="toy",
        input=tmp_path / "scan.mgz",
        output=outputs[1],
        protocol="rest",
        seed=11,
    )
    labels = [nib.load(output) for output in outputs]
    for label in labels:
        assert label.get_data_dtype() == np.uint8
        assert set(np.unique(label.dataobj)) <= set(LABEL_VALUES)
        np.testing.assert_allclose(label.affine, scan.affine, atol=1e-6)
    np.testing.assert_array_equal(labels[0].dataobj, labels[1].dataobj)


@pytest.mark.parametrize(
    "scan, output, message",
    [
        ("none.nii", "label.nii", "none.nii does not exist"),
        ("text.nii", "label.txt", "--output="),
        ("text.nii", "label.nii", "text.nii cannot be read as NIfTI"),
        ("scan.nii.gz", "label.nii", "localhost:1, model toy: UNAVAILABLE"),
    ],
)
def test_the_command_names_an_error_in_one_line(
    tmp_path, capsys, monkeypatch, scan, output, message
):
    monkeypatch.setattr("tf_diffseg.serving.prediction_client._FIRST_WAIT_S", 0.01)
    (tmp_path / "text.nii").write_text("no scan")
    (tmp_path / "scan.nii.gz").write_bytes(nifti_files()[0])
    paths = {"input": tmp_path / scan, "output": tmp_path / output}
    assert _run_here(server="localhost:1", model="toy", **paths) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
    assert not (tmp_path / output).exists()


@pytest.mark.slow
def test_a_volume_of_100_megabytes(tmp_path):
    exported = ExportedToy(tmp_path)
    voxels = np.zeros((300, 300, 280), np.float32)
    voxels[140:160, 140:160, 130:150] = 100.0
    contents = nib.Nifti1Image(voxels, np.diag([0.05, 0.05, 0.05, 1])).to_bytes()
    assert len(contents) > 100e6
    expected = exported.run("segment_nifti", contents=[contents], seed=np.int32([0]))
    assert expected["label"][0].shape == voxels.shape
    with _serving(exported.path) as ports:
        for kind, port in zip([GrpcClient, RestClient], ports, strict=True):
            with kind(f"localhost:{port}", "toy") as opened:
                result = opened.segment_nifti(contents)
            np.testing.assert_array_equal(result["label"], expected["label"][0])
