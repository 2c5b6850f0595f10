"""A table of how well segmentation by windows agrees with that of whole volumes."""

import dataclasses

from tf_diffseg.evaluation.means import nan_mean
from tf_diffseg.evaluation.window_agreement import WindowAgreement
from tf_diffseg.text_table import number_text, text_table


def window_table(cases, target_names):
    """Writes means over cases, in a row for each target except background.

    Args:
        cases: list of `WindowAgreement`.
        target_names: names of the targets, background first.

    Returns:
        Text.
    """
    names = [field.name for field in dataclasses.fields(WindowAgreement)[1:]]
    columns = [[getattr(case, name) for case in cases] for name in names]
    means = [nan_mean(column, axis=0) for column in columns]
    rows = [["", *names]]
    for target, target_name in enumerate(target_names[1:], start=1):
        rows.append([target_name, *(number_text(mean[target]) for mean in means)])
    return text_table(rows)
