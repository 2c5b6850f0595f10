"""Which package may import which: the one written copy, for tests and Bazel.

`import_table_test.py` checks every import in the repository against `TABLE`, and
`build_files.py` makes the visibility of the Bazel targets from it.
"""

import dataclasses

ANY = ("*",)
_TENSORFLOW = ("tensorflow", "numpy")


@dataclasses.dataclass(frozen=True)
class Row:
    """What one package may import besides itself and the standard library.

    Attributes:
        first_party: packages, with all modules in them, and single modules.
        third_party: top-level names of libraries, or `ANY`.
    """

    first_party: tuple[str, ...] = ()
    third_party: tuple[str, ...] = ()


# Imports go from a row to rows above it. A package without a row has the row of the
# package around it.
TABLE = {
    # The package itself: its lazy exports, and the modules that all share.
    "tf_diffseg": Row(third_party=("absl", "tensorflow", "tqdm")),
    "tf_diffseg.diffusion": Row(third_party=_TENSORFLOW),
    "tf_diffseg.losses": Row(third_party=_TENSORFLOW),
    "tf_diffseg.metrics": Row(third_party=(*_TENSORFLOW, "keras", "scipy")),
    # A faster implementation for the TensorFlow backend.
    "tf_diffseg.models.fused_normalization": Row(third_party=("tensorflow",)),
    # No TensorFlow: the network runs under every Keras backend.
    "tf_diffseg.models": Row(
        first_party=("tf_diffseg.models.fused_normalization",),
        third_party=("keras",),
    ),
    "tf_diffseg.preprocessing": Row(third_party=_TENSORFLOW),
    # Medical files; loads no TensorFlow.
    "tf_diffseg.volumes": Row(
        first_party=("tf_diffseg.preprocessing.limits",),
        # An extra, for the formats that nibabel does not read: SimpleITK, pydicom.
        third_party=("numpy", "isal", "nibabel", "PIL", "SimpleITK", "pydicom"),
    ),
    "tf_diffseg.data": Row(third_party=(*_TENSORFLOW, "google_crc32c")),
    # The network in an export, from which training may start.
    "tf_diffseg.serving.exported_network": Row(third_party=("tensorflow", "keras")),
    "tf_diffseg.training": Row(
        first_party=(
            "tf_diffseg.diffusion",
            "tf_diffseg.losses",
            "tf_diffseg.metrics",
            "tf_diffseg.models",
            "tf_diffseg.preprocessing",
            "tf_diffseg.data",
            "tf_diffseg.serving.exported_network",
        ),
        # h5py comes with Keras, whose files of weights it reads.
        third_party=(*_TENSORFLOW, "keras", "absl", "h5py"),
    ),
    "tf_diffseg.inference": Row(
        first_party=(
            "tf_diffseg.diffusion",
            "tf_diffseg.models",
            "tf_diffseg.preprocessing",
        ),
        # SciPy for connected components.
        third_party=(*_TENSORFLOW, "absl", "scipy"),
    ),
    "tf_diffseg.serving": Row(
        first_party=(
            "tf_diffseg.inference",
            "tf_diffseg.serving.exported_network",
            # What the affine of a scan can be.
            "tf_diffseg.preprocessing.limits",
            "tf_diffseg.preprocessing.source_grid",
            "tf_diffseg.volumes",
        ),
        third_party=(
            *_TENSORFLOW,
            # For the scope in which a network runs on weights as they are stored.
            "keras",
            "absl",
            # Of the clients, an extra; nibabel for the files that they read and write.
            "grpc",
            "nibabel",
            "requests",
            "tensorflow_serving",
            "urllib3",
        ),
    ),
    "tf_diffseg.evaluation": Row(
        first_party=(
            "tf_diffseg.data",
            "tf_diffseg.inference",
            "tf_diffseg.metrics",
            "tf_diffseg.preprocessing.source_grid",
        ),
        third_party=(*_TENSORFLOW, "matplotlib", "scipy"),
    ),
    "tf_diffseg.reports": Row(
        first_party=(
            "tf_diffseg.diffusion",
            "tf_diffseg.data",
            "tf_diffseg.evaluation",
            "tf_diffseg.volumes",
        ),
        third_party=(*_TENSORFLOW, "matplotlib"),
    ),
    # Trained models, from the config to the segmenter.
    "tf_diffseg.runs": Row(
        first_party=(
            "tf_diffseg.diffusion",
            "tf_diffseg.metrics",
            "tf_diffseg.models",
            "tf_diffseg.preprocessing",
            "tf_diffseg.volumes",
            "tf_diffseg.data",
            "tf_diffseg.training",
            "tf_diffseg.inference",
            "tf_diffseg.serving",
            "tf_diffseg.evaluation",
            "tf_diffseg.reports",
        ),
        third_party=ANY,
    ),
    "data_tools.datasets": Row(first_party=("tf_diffseg.volumes",)),
    "data_tools.phantoms": Row(third_party=("numpy", "nibabel")),
    "data_tools.conversion": Row(
        first_party=(
            "data_tools.datasets",
            # What a shard is made of. Nothing of the pipeline that reads it.
            "tf_diffseg.data.example_schema",
            "tf_diffseg.data.example_wire",
            "tf_diffseg.data.gzip_member",
            "tf_diffseg.data.manifest",
            "tf_diffseg.data.record_checksum",
            "tf_diffseg.data.spread",
            "tf_diffseg.preprocessing",
            "tf_diffseg.volumes",
        ),
        # An extra, for convert_beam alone: Apache Beam.
        third_party=(
            *_TENSORFLOW,
            "apache_beam",
            "google_crc32c",
            "isal",
            "nibabel",
        ),
    ),
    "data_tools.inspection": Row(
        first_party=(
            "data_tools.datasets",
            "data_tools.conversion",
            "tf_diffseg.data.augmentation",
            "tf_diffseg.data.example_schema",
            "tf_diffseg.data.manifest",
            "tf_diffseg.preprocessing",
            "tf_diffseg.reports.overlay",
            "tf_diffseg.volumes",
        ),
        third_party=(*_TENSORFLOW, "matplotlib", "scipy"),
    ),
    # Commands, and the flags that they share.
    "data_tools": Row(
        first_party=(
            "data_tools.conversion",
            "data_tools.datasets",
            "data_tools.inspection",
            "data_tools.phantoms",
            "tf_diffseg.data.augmentation",
            "tf_diffseg.data.manifest",
            "tf_diffseg.preprocessing.choices",
        ),
        third_party=(*_TENSORFLOW, "absl", "apache_beam", "nibabel"),
    ),
    "experiments": Row(first_party=("tf_diffseg", "data_tools"), third_party=ANY),
    "tests": Row(
        first_party=("tf_diffseg", "data_tools", "experiments"), third_party=ANY
    ),
}

# Modules that every package may import.
COMMON = (
    "tf_diffseg._lazy",
    "tf_diffseg.command_line",
    "tf_diffseg.errors",
    "tf_diffseg.fields",
    "tf_diffseg.module_process",
    "tf_diffseg.option_flags",
    "tf_diffseg.output_path",
    "tf_diffseg.preset_folder",
    "tf_diffseg.progress_bar",
    "tf_diffseg.quiet",
    "tf_diffseg.shipped_models",
    "tf_diffseg.text",
    "tf_diffseg.text_table",
    "tf_diffseg.version",
    "tf_diffseg.whole_files",
    "tf_diffseg.window_progress",
)


def is_inside(name, package):
    """Whether the dotted `name` is `package` or a module or package in it."""
    return name == package or name.startswith(package + ".")


def row_name(module):
    """Returns the name of the row that `module` belongs to, or None."""
    while module not in TABLE and "." in module:
        module = module.rpartition(".")[0]
    return module if module in TABLE else None


def may_import(importer, imported):
    """Whether module `importer` may import module `imported`, both of this tree."""
    row = row_name(importer)
    if row is None:
        return False
    if row == row_name(imported) or imported in COMMON:
        return True
    return any(is_inside(imported, name) for name in TABLE[row].first_party)


def may_import_library(importer, library):
    """Whether module `importer` may import the third-party `library`."""
    row = row_name(importer)
    if row is None:
        return False
    return TABLE[row].third_party == ANY or library in TABLE[row].third_party
