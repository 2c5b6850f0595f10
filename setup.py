"""Installs tf_diffseg with its data tools and experiments."""

import pathlib
import re

from setuptools import find_packages, setup

_ROOT = pathlib.Path(__file__).parent


def _version():
    """Runs version.py alone: importing the package would want it installed."""
    scope = {}
    exec((_ROOT / "tf_diffseg" / "version.py").read_text(encoding="utf-8"), scope)
    return scope["__version__"]


def _long_description():
    """README without links and pictures that lie in the repository."""
    readme = _ROOT / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    text = re.sub(r"!\[[^]]*\]\([^)]*\)\n\n(\*[^*\n]+\*\n\n)?", "", text)
    return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


setup(
    name="tf_diffseg",
    version=_version(),
    description="Diffusion models for 3D medical image segmentation in Keras 3",
    author="The authors of tf_diffseg",
    keywords="segmentation diffusion 3D medical imaging MRI CT NIfTI TensorFlow Keras",
    long_description=_long_description(),
    long_description_content_type="text/markdown",
    # The code, NiiVue with its libraries, and the model: see NOTICE.
    license_expression=(
        "Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND MIT AND ISC AND Zlib"
        " AND CC-BY-SA-4.0"
    ),
    license_files=["LICENSE", "NOTICE", "tf_diffseg/reports/page/LICENSE.niivue"],
    packages=find_packages(
        include=[
            "tf_diffseg",
            "tf_diffseg.*",
            "data_tools",
            "data_tools.*",
            "experiments",
            "experiments.*",
        ]
    ),
    package_data={
        "experiments": ["hub/**/*"],
        "tf_diffseg": ["py.typed"],
        "tf_diffseg.reports": ["page/*"],
    },
    entry_points={
        "console_scripts": [
            "tf-diffseg-ablation = experiments.console_scripts:ablation",
            "tf-diffseg-auto = experiments.console_scripts:auto",
            "tf-diffseg-benchmark = experiments.console_scripts:benchmark",
            "tf-diffseg-client = experiments.console_scripts:client",
            "tf-diffseg-compare = experiments.console_scripts:compare",
            "tf-diffseg-compare-runs = experiments.console_scripts:compare_runs",
            "tf-diffseg-compare-windows = experiments.console_scripts:compare_windows",
            "tf-diffseg-convert = experiments.console_scripts:convert",
            "tf-diffseg-convert-beam = experiments.console_scripts:convert_beam",
            "tf-diffseg-cross-validate = experiments.console_scripts:cross_validate",
            "tf-diffseg-demo = experiments.console_scripts:demo",
            "tf-diffseg-draw = experiments.console_scripts:draw",
            "tf-diffseg-evaluate = experiments.console_scripts:evaluate",
            "tf-diffseg-export = experiments.console_scripts:export",
            "tf-diffseg-inspect = experiments.console_scripts:inspect",
            "tf-diffseg-phantom = experiments.console_scripts:phantom",
            "tf-diffseg-preview = experiments.console_scripts:preview",
            "tf-diffseg-reproduce = experiments.console_scripts:reproduce",
            "tf-diffseg-segment = experiments.console_scripts:segment",
            "tf-diffseg-train = experiments.console_scripts:train",
            "tf-diffseg-verify = experiments.console_scripts:verify",
        ],
    },
    python_requires=">=3.10,<3.14",
    install_requires=[
        "absl-py>=2.0",
        "google-crc32c>=1.5",
        "isal>=1.7",
        "keras>=3.12,<4",
        "matplotlib>=3.10",
        "nibabel>=5.0",
        "numpy>=1.26",
        "pillow>=10.0",
        "scipy>=1.13",
        "tensorboard>=2.16.2,<3",
        "tensorflow>=2.16.1,<3",
        "tqdm>=4.60",
    ],
    extras_require={
        # jax is the other Keras backend that the network is tested under.
        "test": [
            "SimpleITK>=2.3",
            # The sources of the notebooks show pictures by it.
            "ipython>=8.20",
            "jax>=0.4.30",
            # DICOM, and the compressed kind.
            "pydicom>=3.0.1",
            "pytest>=8.0",
            "pytest-xdist>=3.5",
            "python-gdcm>=3.0.25",
            # The clients against a server, and the requests of the loader's tests.
            "tensorflow-serving-api>=2.16.1,<3",
            # Opens the converted data set. Newer metadata want another protobuf than
            # the oldest TensorFlow has, and do not say so: the oldest is named.
            "tensorflow-datasets>=4.9.8",
            "tensorflow-metadata>=1.16.1",
        ],
        # Conversion on a cluster. Wants protobuf below 7, as TensorFlow allows.
        "beam": ["apache-beam>=2.60"],
        # .nrrd, .mha and DICOM series.
        "itk": ["SimpleITK>=2.3", "pydicom>=3.0.1", "python-gdcm>=3.0.25"],
        # The oldest that say what today's say: ruff before 0.13 has rules since
        # withdrawn, mypy before 1.12 does not follow all of the code (nor knows
        # Python 3.13).
        "dev": ["mypy>=1.12", "pre-commit>=3.5", "ruff>=0.13"],
        # `make docs`, and docs/notebooks/make.py.
        "docs": [
            "latex2mathml>=3.77",
            "myst-nb>=1.2",
            "pydata-sphinx-theme>=0.16",
            "sphinx>=8.1",
        ],
        # Opens the report of an evaluation in Chromium, which the system brings.
        "browser": ["selenium>=4.20"],
        # What metrics are held against; MONAI needs PyTorch, whose CPU build will do.
        # The last tensorflow-addons has no wheels for later versions of Python.
        "oracle": [
            "monai>=1.4",
            "surface-distance>=0.1",
            "tensorflow-addons==0.23.0; python_version < '3.12'",
            "tf-keras>=2.16; python_version < '3.12'",
            "torch>=2.4",
        ],
        # `make coverage` and `make mutants`.
        "quality": ["cosmic-ray>=8.3", "coverage>=7.10", "pytest-cov>=7.0"],
        "release": ["build>=1.2", "pip-audit>=2.7", "twine>=6.1"],
        # `experiments.train --tracker`.
        "mlflow": ["mlflow>=3.0"],
        "wandb": ["wandb>=0.20"],
        # Clients of TF Serving, and warm-up requests in an export.
        "serving": ["requests>=2.31", "tensorflow-serving-api>=2.16.1,<3"],
        "gpu": ["tensorflow[and-cuda]>=2.16.1,<3"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
    ],
)
