"""Exports that several test modules share: making one takes seconds."""

import pytest

from tests.serving.bad_requests import MAX_VOXELS
from tests.serving.exported_toy import ExportedToy


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    return ExportedToy(tmp_path_factory.mktemp("export"), max_voxels=MAX_VOXELS)


@pytest.fixture(scope="session")
def half_export(tmp_path_factory):
    """An export of float16 weights, for requests of two volumes."""
    return ExportedToy(
        tmp_path_factory.mktemp("half_export"),
        # It has losses by time step, which are weights that belong to no layer.
        model_options={"timestep_sampling": "loss"},
        weights="float16",
        request_batch=2,
    )
