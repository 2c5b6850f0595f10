"""What a picture of arms leaves out."""

import pytest

from tf_diffseg.reports.ablation_report import far_away


@pytest.mark.parametrize(
    "means, expected",
    [
        ([0.873, 0.047, 0.836, 0.864, 0.879], [False, True, False, False, False]),
        ([0.047, 0.873, 0.836], [False, False, False]),
        ([0.5, 0.55, 0.58], [False, False, False]),
        ([0.87, 0.87, 0.87, 0.96], [False, False, False, False]),
        ([0.3, 0.31, 0.3, 0.9], [False, False, False, True]),
        ([0.87], [False]),
        ([0.87, float("nan")], [False, False]),
    ],
)
def test_only_what_would_flatten_all_others_is_far_away(means, expected):
    assert far_away(means).tolist() == expected
