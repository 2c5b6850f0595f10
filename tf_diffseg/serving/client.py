r"""Segments a scan by a TF Serving server that holds an exported model.

    python -m tf_diffseg.serving.client --server=host:8500 --model=hippocampus \
        --input=image.nii.gz --output=label.nii.gz

--protocol=rest speaks to the server's REST port. NIfTI files are sent as they are, what
else nibabel reads (.mgz) as NIfTI. Channels are the fourth axis of one file.
"""

import os
import pathlib
import sys

from absl import app, flags

_SERVER = flags.DEFINE_string("server", None, "host:port of TF Serving.")
_MODEL = flags.DEFINE_string("model", None, "Name of the model on the server.")
_INPUT = flags.DEFINE_string("input", None, "Scan to segment.")
_OUTPUT = flags.DEFINE_string("output", None, "Label map to write, .nii or .nii.gz.")
_PROTOCOL = flags.DEFINE_enum("protocol", "grpc", ["grpc", "rest"], "How to ask.")
_VERSION = flags.DEFINE_integer("version", None, "Of the model; default: the newest.")
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the sampling noise.", lower_bound=0, upper_bound=2**31 - 1
)
_TIMEOUT_S = flags.DEFINE_float(
    "timeout_s", 600.0, "Seconds to wait for an answer.", lower_bound=0.0
)
flags.mark_flags_as_required(["server", "model", "input", "output"])

_ENDINGS = (".nii", ".nii.gz")


def segment_file(client, input_path, output_path, seed=0):
    """Segments a file and writes the label map on its grid.

    Args:
        client: `GrpcClient` or `RestClient`.
        input_path: a file that nibabel reads.
        output_path: .nii or .nii.gz file to write; never seen half-written.
        seed: of the sampling noise.

    Raises:
        ServerError: see `GrpcClient.segment_nifti`.
        ValueError: the output is not named as NIfTI, or is the input.
        OSError: a file cannot be read or written.
    """
    output = pathlib.Path(output_path)
    if not output.name.lower().endswith(_ENDINGS):
        raise ValueError(f"--output={output}: expected a name in .nii or .nii.gz")
    if output.exists() and output.samefile(input_path):
        raise ValueError(f"--output={output} is --input, name another file")
    contents = _contents(pathlib.Path(input_path))
    result = client.segment_nifti(contents, seed)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".partial-{output.name}")
    try:
        _write_label(partial, result["label"], input_path)
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)


def _contents(path):
    if path.name.lower().endswith(_ENDINGS):
        return path.read_bytes()
    import nibabel as nib
    import numpy as np

    image = _load(path)
    voxels = np.asarray(image.dataobj, np.float32)
    return nib.Nifti1Image(voxels, image.affine).to_bytes()


def _write_label(path, label, like):
    import nibabel as nib

    from tf_diffseg.volumes import nifti_like, smallest_type

    nib.save(nifti_like(smallest_type(label), _load(like)), path)


def _load(path):
    import nibabel as nib

    try:
        return nib.load(path)
    except nib.filebasedimages.ImageFileError as error:
        raise ValueError(f"--input={path} cannot be read: {error}") from None


def _main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"expected flags only, got {argv[1:]}")
    from tf_diffseg.serving.prediction_client import (
        GrpcClient,
        RestClient,
        ServerError,
    )

    try:
        kind = {"grpc": GrpcClient, "rest": RestClient}[_PROTOCOL.value]
        server = (_SERVER.value, _MODEL.value, _VERSION.value, _TIMEOUT_S.value)
        with kind(*server) as client:
            segment_file(client, _INPUT.value, _OUTPUT.value, _SEED.value)
    except (ServerError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"error: {error.name} is not installed: pip install 'tf_diffseg[serving]'",
            file=sys.stderr,
        )
        return 1
    print(f"segmented: {_OUTPUT.value}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    app.run(_main)
