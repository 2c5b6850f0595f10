r"""Segments a scan on a TF Serving server that holds an exported model.

    python -m tf_diffseg.serving.client --server=host:8500 --model=hippocampus \
        --input=image.nii.gz --output=label.nii.gz

--protocol=rest uses the server's REST port. The client reads and writes the formats of
experiments.segment. It sends NIfTI files as they are, and others (.mgz, .nrrd, .mha,
DICOM) as NIfTI. Channels are the fourth axis of one file.
"""

import os
import pathlib
import sys

from absl import app, flags

from tf_diffseg.errors import InputError
from tf_diffseg.quiet import load_tensorflow

_SERVER = flags.DEFINE_string("server", None, "host:port of TF Serving.")
_MODEL = flags.DEFINE_string("model", None, "Name of the model on the server.")
_INPUT = flags.DEFINE_string("input", None, "Scan to segment.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Label map to write, .nii.gz or another format."
)
_PROTOCOL = flags.DEFINE_enum(
    "protocol", "grpc", ["grpc", "rest"], "Interface of the server to use."
)
_VERSION = flags.DEFINE_integer("version", None, "Model version; default: the newest.")
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the sampling noise.", lower_bound=0, upper_bound=2**31 - 1
)
_TIMEOUT_S = flags.DEFINE_float(
    "timeout_s", 600.0, "Seconds to wait for an answer.", lower_bound=0.0
)
flags.mark_flags_as_required(["server", "model", "input", "output"])


def segment_file(client, input_path, output_path, seed=0):
    """Segments a scan and writes the label map on its grid.

    Args:
        client: `GrpcClient` or `RestClient`.
        input_path: a file or a DICOM series, as `tf_diffseg.read_volume` reads it.
        output_path: file to write, in a format of `tf_diffseg.write_label`; it appears
            only when it is whole.
        seed: seed of the sampling noise.

    Raises:
        ServerError: see `GrpcClient.segment_nifti`.
        InputError: the scan cannot be read; or the output has a name of no format that
            can be written, is the input, or cannot be written.
    """
    from tf_diffseg.volumes import nifti, result_files, smallest_type
    from tf_diffseg.volumes.volume_files import read_image
    from tf_diffseg.whole_files import whole_files

    if result_files.ending_of(output_path) is None:
        raise InputError(
            f"output={output_path}: expected a name in "
            f"{', '.join(result_files.ENDINGS)}",
            argument="output",
        )
    result_files.check_can_write(output_path)
    if os.path.exists(output_path) and os.path.samefile(output_path, input_path):
        raise InputError(
            f"output={output_path} is `input`, name another file", argument="output"
        )
    image = read_image(input_path)
    for note in image.notes:
        print(note, flush=True)
    if image.path.lower().endswith(nifti.ENDINGS):
        contents = pathlib.Path(image.path).read_bytes()
    else:
        contents = _nifti_bytes(image)
    result = client.segment_nifti(contents, seed)
    with whole_files() as whole:
        label = smallest_type(result["label"])
        result_files.write_result(whole, output_path, label, image)


def _nifti_bytes(image):
    """Bytes of a NIfTI file of a `Volume` (i, j, k, channels)."""
    import nibabel as nib

    is_single = image.array.shape[-1] == 1
    voxels = image.array[..., 0] if is_single else image.array
    return nib.Nifti1Image(voxels, image.affine).to_bytes()


def _main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"expected flags only, got {argv[1:]}")
    load_tensorflow()
    from tf_diffseg.serving.prediction_client import (
        GrpcClient,
        RestClient,
        ServerError,
    )

    try:
        client_class = GrpcClient if _PROTOCOL.value == "grpc" else RestClient
        server = (_SERVER.value, _MODEL.value, _VERSION.value, _TIMEOUT_S.value)
        with client_class(*server) as client:
            segment_file(client, _INPUT.value, _OUTPUT.value, _SEED.value)
    except InputError as error:
        print(f"error: {error.of_command()}", file=sys.stderr)
        return 1
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
