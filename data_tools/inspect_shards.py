"""Tells what a converted data set holds, checks it, and draws it.

python -m data_tools.inspect_shards --data_dir=SHARDS [--verify] [--preview=PICTURES]
"""

import collections

from absl import flags

from data_tools.conversion.fingerprint import fingerprint_table
from data_tools.conversion.output_folder import check_place
from data_tools.datasets.problem_table import print_warnings_of
from tf_diffseg import command_line
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.quiet import load_tensorflow

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote.", required=True
)
_VERIFY = flags.DEFINE_boolean(
    "verify", False, "Reads all of it: every checksum, count and case."
)
_PREVIEW = flags.DEFINE_string("preview", None, "Folder to draw a picture per case to.")


def main(_):
    """Inspects the data set that the flags name; gives the exit code."""
    if _PREVIEW.value is not None:
        check_place(_PREVIEW.value, "preview")
    manifest = read_manifest(_DATA_DIR.value)
    load_tensorflow()
    from data_tools.inspection import shard_inspection
    from data_tools.inspection.class_volumes import volumes_table

    print(shard_inspection.describe(_DATA_DIR.value, manifest))
    if manifest.fingerprint:
        names = (manifest.class_names, manifest.channel_names)
        print("\n" + fingerprint_table(manifest.fingerprint, *names))
    if not _VERIFY.value:
        print("\n" + shard_inspection.describe_volumes(manifest))
    if manifest.warnings:
        print(f"\n{len(manifest.warnings)} warning(s) of the conversion:")
        print_warnings_of(manifest)
    if _VERIFY.value:
        found = shard_inspection.verify(_DATA_DIR.value, manifest)
        if found.source is not None:
            volumes = (found.source, found.stored)
            print("\n" + volumes_table(*volumes, manifest.class_names))
        if found.problems:
            print("\n" + "\n".join(f"error: {problem}" for problem in found.problems))
            raise InputError(
                f"{len(found.problems)} problem(s) in {_DATA_DIR.value}, listed above"
            )
        print(
            f"\nverified: all checksums, counts and {found.num_cases} cases are right"
        )
    if _PREVIEW.value is not None:
        pictures = shard_inspection.preview(_DATA_DIR.value, manifest, _PREVIEW.value)
        try:
            last = collections.deque(enumerate(pictures, 1), maxlen=1)
        except OSError as error:
            raise InputError(f"--preview={_PREVIEW.value}: {error.strerror}") from error
        print(f"\n{last[0][0] if last else 0} pictures in {_PREVIEW.value}")


if __name__ == "__main__":
    command_line.run(main)
