"""Wrong values of flags are refused by the name of the flag."""

import pytest
from absl import flags
from absl.testing import flagsaver

from data_tools.flags.preprocessing_flags import choice_of_flags
from tf_diffseg.errors import InputError
from tf_diffseg.volumes import volume_limits


def _choice(num_channels=1, **values):
    flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(**values):
        return choice_of_flags([f"channel {index}" for index in range(num_channels)])


@pytest.mark.parametrize(
    "values, message",
    [
        ({"volume_shape": "0,4,4"}, "--volume_shape=0,4,4: expected positive numbers"),
        ({"spacing_mm": "nan,1,1"}, "--spacing_mm=nan,1,1: expected positive numbers"),
        ({"spacing_mm": "inf,1,1"}, "--spacing_mm=inf,1,1: expected positive numbers"),
        (
            {"intensity": ["ct_window"]},
            r"--intensity=ct_window needs --ct_window once or 1 time\(s\), got 0",
        ),
        (
            {"ct_window": ["0,80"]},
            "--intensity=zscore takes no window, leave out --ct_window",
        ),
        (
            {"intensity": ["ct_window"], "ct_window": ["80,0"]},
            "--ct_window=80,0: expected low,high with low < high",
        ),
    ],
)
def test_wrong_values_name_their_flag(values, message):
    with pytest.raises(InputError, match=f"^{message}"):
        _choice(**values)


def test_each_channel_of_kind_ct_window_gets_the_window():
    choice = _choice(3, intensity=["ct_window", "none", "ct_window"], ct_window=["0,1"])
    assert choice.intensity == ("ct_window", "none", "ct_window")
    assert choice.ct_window == ((0.0, 1.0), None, (0.0, 1.0))


def test_volumes_that_do_not_fit_into_memory_are_refused(monkeypatch):
    monkeypatch.setattr(volume_limits, "memory_bytes", lambda: 2**30)
    assert _choice(volume_shape="512,512,512").volume_shape == (512, 512, 512)
    with pytest.raises(InputError, match="^volume_shape=513,512,512: .* take 1.0 GiB"):
        _choice(volume_shape="513,512,512")


def test_volumes_that_do_not_fit_into_a_record_are_refused(monkeypatch):
    monkeypatch.setattr(volume_limits, "memory_bytes", lambda: 2**40)
    assert _choice(volume_shape="800,800,800", intensity=["none"])
    with pytest.raises(InputError, match="^volume_shape=800,800,800: the record"):
        _choice(volume_shape="800,800,800")
