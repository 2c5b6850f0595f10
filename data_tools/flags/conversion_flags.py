"""The flags of every command that converts, and the conversion by these flags."""

from absl import flags

from data_tools.conversion.staging import InUseError, check_start, kept_in
from data_tools.datasets.dataset_check import usable_cases
from data_tools.flags.dataset_flags import dataset_of_flags, split_by_flags
from data_tools.flags.preprocessing_flags import choice_of_flags
from tf_diffseg.errors import as_flags
from tf_diffseg.quiet import load_tensorflow

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder to make; it must be new or empty.", required=True
)
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards", 4, "Files per split; at most one per case.", lower_bound=1
)
_COMPRESSIONS = {"none": "", "gzip": "GZIP"}
_COMPRESSION = flags.DEFINE_enum(
    "compression", "none", list(_COMPRESSIONS), "Compression of the shards."
)
_SKIP_BAD_CASES = flags.DEFINE_boolean(
    "skip_bad_cases",
    False,
    "Leaves out cases that cannot be converted; the manifest lists them.",
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Replaces the converted data set in --output_dir."
)


def convert_with(make_workers):
    """Converts the data set that the flags name.

    Args:
        make_workers: function without arguments that returns the workers, see
            `converter.convert`.
    """
    # Cheap checks come first, because TensorFlow takes seconds to load.
    check_start(_OUTPUT_DIR.value, _OVERWRITE.value)
    dataset = split_by_flags(dataset_of_flags())
    print(dataset.describe(), flush=True)
    dataset, skipped = usable_cases(dataset, _SKIP_BAD_CASES.value)
    choice = choice_of_flags(dataset.channel_names)
    load_tensorflow()
    from data_tools.conversion.converter import Options, convert
    from data_tools.inspection.manifest_text import print_conversion

    options = Options(
        num_shards=_NUM_SHARDS.value,
        compression=_COMPRESSIONS[_COMPRESSION.value],
        skip_bad_cases=_SKIP_BAD_CASES.value,
        overwrite=_OVERWRITE.value,
    )
    output_dir = _OUTPUT_DIR.value
    try:
        manifest = convert(
            dataset, output_dir, choice, make_workers(), options, skipped
        )
    except InUseError:
        raise  # the staging folder belongs to the other process
    except BaseException:
        kept = kept_in(output_dir)
        if kept is not None:
            print(f"what is done is kept in {kept}; the same command goes on from it")
        raise
    if choice.shape_note(manifest.preprocessing):
        print(as_flags(choice.shape_note(manifest.preprocessing)))
    print_conversion(manifest, output_dir)
