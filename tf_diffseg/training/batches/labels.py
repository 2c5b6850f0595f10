"""Labels that `fit` and `evaluate` take: whole numbers of a known range."""

import dataclasses
import re

import tensorflow as tf

# Tools that resample labels write 0.9999 for 1; the converter rounds the same way.
ROUNDING = 1e-3
_MOST_SHOWN = 5
_DIGITS = 7  # Of float32.
_MOST_SEARCHED = 100_000  # Wrong voxels in which the values to show are looked for.
_BEGINNING = "label must hold whole numbers"


@dataclasses.dataclass(frozen=True)
class LabelIds:
    """The ids that a label may hold.

    Attributes:
        num_ids: ids are from 0 to below it.
        because: the argument that says so, for the message, as "num_classes=3".
        ignore_label: id of voxels that are left out, or None.
    """

    num_ids: int
    because: str
    ignore_label: int | None = None

    def __str__(self):
        """Says what a label must hold."""
        ignored = ""
        if self.ignore_label is not None:
            ignored = f", or ignore_label={self.ignore_label}"
        return (
            f"{_BEGINNING} from 0 to {self.num_ids - 1} ({self.because}){ignored}, as "
            f"floats up to {ROUNDING:g} off"
        )

    def rounded(self, label):
        """Rounds a label, and finds the voxels that hold no id.

        Args:
            label: tensor of any shape and of any type of numbers, or bool.

        Returns:
            (int32, bool, whether it is wrong), both of the same shape.

        Raises:
            ValueError: the type is not a type of numbers.
        """
        label = _in_exact_type(label)
        if label.dtype.is_floating:
            nearest = tf.round(label)
            # Not "~(... > ROUNDING)": a comparison with NaN is always False.
            is_whole = tf.abs(label - nearest) <= ROUNDING
        else:
            nearest, is_whole = label, tf.ones_like(label, tf.bool)
        is_id = (nearest >= 0) & (nearest < self.num_ids)
        if self.ignore_label is not None:
            is_id |= nearest == self.ignore_label
        return tf.cast(nearest, tf.int32), ~(is_whole & is_id)

    def checked(self, label):
        """The label as int32; asserts that it holds only these ids.

        XLA drops assertions and compiles no text: see `label_check`.

        Args:
            label: as for `rounded`.

        Raises:
            ValueError: the type is not a type of numbers.
            tf.errors.InvalidArgumentError: it holds another id; see
                `wrong_label_message`.
        """
        whole, is_wrong = self.rounded(label)

        def refuse():
            values = tf.convert_to_tensor(label)
            if values.dtype != tf.uint64:  # int64 does not hold its largest values.
                values = _in_exact_type(values)
            shown = _shown(tf.boolean_mask(values, is_wrong))
            return tf.debugging.Assert(
                False, [tf.strings.join([f"{self}, got ", shown])]
            )

        # The text is made only in the branch, so a correct label costs little.
        check = tf.cond(tf.reduce_any(is_wrong), refuse, tf.no_op)
        with tf.control_dependencies([] if check is None else [check]):
            return tf.identity(whole)


def wrong_label_message(error):
    """The message of `LabelIds.checked` in an error of TensorFlow; None in another."""
    found = re.search(rf"{_BEGINNING}[^\n\]']*", str(error))
    return found and found.group()


def _in_exact_type(label):
    """Casts to float32, float64 or int64: half precision rounds large ids."""
    label = tf.convert_to_tensor(label)
    if label.dtype.is_floating:
        return label if label.dtype == tf.float64 else tf.cast(label, tf.float32)
    if label.dtype.is_integer or label.dtype.is_bool:
        return tf.cast(label, tf.int64)
    raise ValueError(f"{_BEGINNING}, got {label.dtype.name}")


def _shown(values):
    """Some of the different values, as text."""
    if values.dtype.is_floating:
        texts = tf.strings.as_string(values[:_MOST_SEARCHED], _DIGITS, shortest=True)
    else:
        texts = tf.strings.as_string(values[:_MOST_SEARCHED])
    different = tf.unique(texts)[0]
    shown = tf.strings.reduce_join(different[:_MOST_SHOWN], separator=", ")
    more = tf.where(tf.size(different) > _MOST_SHOWN, ", ...", "")
    return tf.strings.join([shown, more])
