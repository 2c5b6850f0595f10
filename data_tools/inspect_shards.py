"""Describes a converted data set, checks it and draws it.

python -m data_tools.inspect_shards --data_dir=SHARDS [--verify] [--preview=PICTURES]
"""

from absl import flags

from tf_diffseg import command_line
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.output_path import output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.whole_files import writing

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote.", required=True
)
_VERIFY = flags.DEFINE_boolean(
    "verify", False, "Reads everything and checks every checksum, count and case."
)
_PREVIEW = flags.DEFINE_string("preview", None, "Folder for a picture of each case.")


def main(_):
    """Inspects the data set that the flags name."""
    if _PREVIEW.value is not None:
        output_folder("preview", _PREVIEW.value)
    manifest = read_manifest(_DATA_DIR.value)
    load_tensorflow()
    from data_tools.inspection import shard_inspection
    from data_tools.inspection.manifest_text import print_description

    print_description(_DATA_DIR.value, manifest, with_volumes=not _VERIFY.value)
    if _VERIFY.value:
        shard_inspection.print_verification(_DATA_DIR.value, manifest)
    if _PREVIEW.value is not None:
        pictures = shard_inspection.preview(_DATA_DIR.value, manifest, _PREVIEW.value)
        with writing(_PREVIEW.value):
            count = sum(1 for _ in pictures)
        print(f"\n{count} pictures in {_PREVIEW.value}")


if __name__ == "__main__":
    command_line.run(main)
