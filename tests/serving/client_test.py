"""The clients against a server in another process, by TF Serving's own messages."""

import contextlib
import importlib.util
import os
import pathlib
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from tests.serving.exported_toy import LABEL_VALUES, ExportedToy, nifti_files, volumes
from tf_diffseg.errors import InputError
from tf_diffseg.serving import GrpcClient, RestClient, ServerError
from tf_diffseg.serving.client import segment_file

_ROOT = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_serving") is None,
    reason="no tensorflow-serving-api",
)


def _environment():
    paths = os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": paths}


@contextlib.contextmanager
def _serving(path, *arguments):
    """`(gRPC port, REST port)` of a server in another process."""
    command = [sys.executable, "-m", "tests.serving.model_server", str(path), "toy"]
    with subprocess.Popen(
        [*command, *map(str, arguments)],
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield tuple(map(int, process.stdout.readline().split()))
        finally:
            process.stdin.close()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return ExportedToy(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def ports(exported):
    # Two are refused as if the server were busy: the clients ask again.
    with _serving(exported.path, 2) as found:
        yield found


@pytest.fixture(params=[GrpcClient, RestClient])
def client(request, ports):
    port = ports[0] if request.param is GrpcClient else ports[1]
    with request.param(f"localhost:{port}", "toy", timeout_s=300.0) as opened:
        yield opened


def test_a_busy_server_is_asked_again_and_gives_what_the_model_gives(client, exported):
    # More than the 256 KB that gRPC would keep of a request by default.
    contents = nifti_files(compressed=False)[0] + b"\0" * 2**20
    result = client.segment_nifti(contents, seed=3)
    expected = exported.run("segment_nifti", contents=[contents], seed=np.int32([3]))
    assert result.keys() == expected.keys()
    for name, value in result.items():
        assert value.dtype == expected[name].dtype
        np.testing.assert_array_equal(value, expected[name][0])


def test_arrays_are_sent_as_well(client, exported):
    image, affine = volumes()
    inputs = {"image": image, "affine": affine, "seed": np.int32([3, 11])}
    outputs = client.predict("segment_volume", inputs)
    expected = exported.run("segment_volume", **inputs)
    np.testing.assert_array_equal(outputs["label"], expected["label"])
    np.testing.assert_allclose(outputs["uncertainty"], expected["uncertainty"], 1e-6)


def test_what_the_server_expected_is_told(client):
    with pytest.raises(
        ServerError, match=r"localhost:\d+, model toy: .*bytes of a .nii"
    ):
        client.segment_nifti(b"text")


def test_an_unknown_version_is_told(client):
    client_of_version = type(client)(client.server, "toy", version=9, timeout_s=60.0)
    with client_of_version, pytest.raises(ServerError, match="Servable not found") as e:
        client_of_version.segment_nifti(nifti_files()[0])
    assert e.value.code in ("NOT_FOUND", "404")


def test_a_deadline_is_kept(client):
    hasty = type(client)(client.server, "toy", timeout_s=1e-3)
    with hasty, pytest.raises(ServerError) as error:
        hasty.segment_nifti(nifti_files()[0])
    assert error.value.code == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("kind", [GrpcClient, RestClient])
def test_a_server_that_is_not_there_is_told(kind, monkeypatch):
    monkeypatch.setattr("tf_diffseg.serving.prediction_client._FIRST_WAIT_S", 0.01)
    with kind("localhost:1", "toy", timeout_s=30.0) as nobody:
        with pytest.raises(ServerError, match="localhost:1, model toy") as error:
            nobody.segment_nifti(nifti_files()[0])
    assert error.value.code == "UNAVAILABLE"


def test_numbers_that_json_cannot_hold_are_no_lost_connection():
    inputs = {"image": np.full([1, 4, 4, 4, 1], np.nan), "seed": np.zeros(1, np.int32)}
    with RestClient("localhost:1", "toy", timeout_s=30.0) as client:
        with pytest.raises(ServerError, match="expected finite numbers") as error:
            client.predict("serving_default", inputs)
    assert error.value.code == "INVALID_ARGUMENT"


def test_the_scan_is_not_overwritten(tmp_path):
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(nifti_files()[0])
    with pytest.raises(ValueError, match="scan.nii.gz is `input`, name another"):
        segment_file(None, path, path)


def _command(expected_code=0, **flag_values):
    flags = [f"--{name}={value}" for name, value in flag_values.items()]
    process = subprocess.run(
        [sys.executable, "-m", "tf_diffseg.serving.client", *flags],
        env=_environment(),
        capture_output=True,
        encoding="utf-8",
    )
    assert process.returncode == expected_code, process.stderr
    return process.stdout + process.stderr


class _NoServer:
    """A client whose label maps are of one class."""

    def segment_nifti(self, contents, seed):
        return {"label": np.ones(nib.Nifti1Image.from_bytes(contents).shape, np.int32)}


def test_the_label_map_has_the_units_but_not_the_extension_of_the_scan(tmp_path):
    scan = nib.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.diag([1e-3] * 3 + [1]))
    scan.header.set_xyzt_units("meter")
    scan.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"Doe^Jane"))
    nib.save(scan, tmp_path / "scan.nii")
    segment_file(_NoServer(), tmp_path / "scan.nii", tmp_path / "label.nii")
    label = nib.load(tmp_path / "label.nii")
    assert len(label.header.extensions) == 0
    assert label.header.get_xyzt_units()[0] == "meter"
    np.testing.assert_allclose(label.affine, scan.affine)


def test_the_label_map_has_both_forms_of_the_scan(tmp_path):
    scan = nib.Nifti1Image(
        np.zeros((2, 3, 4), np.int16), np.diag([-1.0, 2.0, 3.0, 1.0])
    )
    scan.set_qform(np.diag([1.0, 2.0, 3.0, 1.0]), 1)
    scan.set_sform(scan.affine, 4)
    scan.header["descrip"], scan.header["cal_max"] = b"Doe^Jane", 400
    nib.save(scan, tmp_path / "scan.nii")
    segment_file(_NoServer(), tmp_path / "scan.nii", tmp_path / "label.nii.gz")
    label = nib.load(tmp_path / "label.nii.gz")
    for form in ("get_qform", "get_sform"):
        expected, code = getattr(scan, form)(coded=True)
        found, found_code = getattr(label, form)(coded=True)
        np.testing.assert_array_equal(found, expected)
        assert found_code == code
    assert label.header["descrip"].item() == b"" and label.header["cal_max"] == 0


class _Recorder(_NoServer):
    """Keeps what it was sent."""

    def segment_nifti(self, contents, seed):
        self.sent = nib.Nifti1Image.from_bytes(contents)
        return super().segment_nifti(contents, seed)


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
        client = _Recorder()
        with pytest.raises(InputError, match=name):
            segment_file(client, tmp_path / name, tmp_path / "label.nii")
        assert not hasattr(client, "sent")


def test_what_is_not_nifti_is_sent_as_nifti_in_millimetres(tmp_path, capsys):
    sitk = pytest.importorskip("SimpleITK")
    voxels = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.1, 0.2, 0.3))
    sitk.WriteImage(image, str(tmp_path / "scan.mha"))
    content = (tmp_path / "scan.mha").read_bytes()
    in_cm = content.replace(b"ElementType", b"DistanceUnits = cm\nElementType")
    (tmp_path / "scan.mha").write_bytes(in_cm)
    client = _Recorder()
    segment_file(client, tmp_path / "scan.mha", tmp_path / "out" / "label.nrrd")
    assert "centimetre" in capsys.readouterr().out
    np.testing.assert_array_equal(client.sent.get_fdata(), voxels.T)
    np.testing.assert_allclose(client.sent.header.get_zooms(), (1, 2, 3), rtol=1e-6)
    label = sitk.ReadImage(str(tmp_path / "out" / "label.nrrd"))
    np.testing.assert_allclose(label.GetSpacing(), (1, 2, 3), rtol=1e-6)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["label.nrrd"]


def test_the_command_writes_a_label_map_on_the_grid_of_the_scan(ports, tmp_path):
    image, affine = volumes()
    scan = nib.Nifti1Image(image[1, ..., 0], affine[1])
    scan.header.set_slope_inter(1, 0)
    nib.save(scan, tmp_path / "scan.nii.gz")
    nib.save(nib.MGHImage(image[1, ..., 0], affine[1]), tmp_path / "scan.mgz")
    labels = []
    for protocol, port, name in [("grpc", ports[0], "scan.nii.gz")] + [
        ("rest", ports[1], "scan.mgz")
    ]:
        output = tmp_path / "labels" / f"{protocol}.nii.gz"
        _command(
            server=f"localhost:{port}",
            model="toy",
            input=tmp_path / name,
            output=output,
            protocol=protocol,
            seed=11,
        )
        labels.append(nib.load(output))
    for label in labels:
        assert label.get_data_dtype() == np.uint8
        assert set(np.unique(label.dataobj)) <= set(LABEL_VALUES)
        np.testing.assert_allclose(label.affine, affine[1], atol=1e-6)
    np.testing.assert_array_equal(labels[0].dataobj, labels[1].dataobj)
    assert len(list((tmp_path / "labels").iterdir())) == 2


def test_the_command_says_what_is_wrong_in_a_line(ports, tmp_path):
    (tmp_path / "text.nii").write_text("text")
    server = {"server": f"localhost:{ports[0]}", "model": "toy"}
    for name, output, message in [
        ("none.nii", "label.nii", "none.nii does not exist"),
        ("text.nii", "label.txt", "--output="),
        ("text.nii", "label.nii", "text.nii cannot be read as NIfTI"),
    ]:
        text = _command(
            1, **server, input=tmp_path / name, output=tmp_path / output
        ).splitlines()
        (line,) = [line for line in text if line.startswith("error: ")]
        assert message in line
        assert not (tmp_path / output).exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [GrpcClient, RestClient])
def test_a_volume_of_100_megabytes(kind, ports, exported):
    voxels = np.zeros((300, 300, 280), np.float32)
    voxels[140:160, 140:160, 130:150] = 100.0
    contents = nib.Nifti1Image(voxels, np.diag([0.05, 0.05, 0.05, 1])).to_bytes()
    assert len(contents) > 100e6
    port = ports[0] if kind is GrpcClient else ports[1]
    with kind(f"localhost:{port}", "toy") as opened:
        result = opened.segment_nifti(contents)
    assert result["label"].shape == voxels.shape
    expected = exported.run("segment_nifti", contents=[contents], seed=np.int32([0]))
    np.testing.assert_array_equal(result["label"], expected["label"][0])
