"""Names that the documents taught elsewhere work from there for one release."""

import importlib

import pytest

import tf_diffseg
from experiments.flags.config_file import load_config


@pytest.mark.parametrize(
    "module, name",
    [
        ("experiments.segmenter", "load_segmenter"),
        ("experiments.train_config", "TrainConfig"),
        ("experiments.evaluation", "evaluate_run"),
    ],
)
def test_an_old_name_is_the_new_one_and_says_where_that_is(module, name):
    old = importlib.import_module(module)
    message = f"{module}.{name} is now tf_diffseg.{name}"
    with pytest.warns(DeprecationWarning, match=message) as caught:
        found = getattr(old, name)
    assert found is getattr(tf_diffseg, name)
    assert caught[0].filename == __file__
    with pytest.raises(AttributeError, match="no attribute 'another'"):
        importlib.import_module(module).another  # noqa: B018


def test_a_config_file_may_name_the_old_place(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from experiments.train_config import TrainConfig\n"
        "def get_config():\n"
        "    return TrainConfig(epochs=3)\n"
    )
    with pytest.warns(DeprecationWarning, match="tf_diffseg.TrainConfig"):
        assert load_config(path).epochs == 3
