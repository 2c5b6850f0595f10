"""Labels as `fit` and `evaluate` take them: whole numbers, of a known range."""

import dataclasses
import re

import tensorflow as tf

# Tools that resample or scale labels leave 0.9999 for 1; the converter takes as much.
ROUNDING = 1e-3
_MOST_SHOWN = 5
_DIGITS = 7  # Of float32.
# Of the wrong voxels of a batch, those that the shown values are looked for in.
_MOST_SEARCHED = 100_000
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
        """What a label must hold."""
        ignored = ""
        if self.ignore_label is not None:
            ignored = f", or ignore_label={self.ignore_label}"
        return (
            f"{_BEGINNING} from 0 to {self.num_ids - 1} ({self.because}){ignored}, as "
            f"floats up to {ROUNDING:g} off"
        )

    def rounded(self, label):
        """Whole numbers, and where there are none of these ids.

        Args:
            label: of any type of numbers, or bool, and of any shape.

        Returns:
            (int32 of the same shape, bool of the same shape); the number is any where
            it is wrong.

        Raises:
            ValueError: the type is none of numbers.
        """
        label = _in_exact_type(label)
        if label.dtype.is_floating:
            nearest = tf.round(label)
            # Not "farther than": NaN and infinity are neither far nor near.
            is_whole = tf.abs(label - nearest) <= ROUNDING
        else:
            nearest, is_whole = label, tf.ones_like(label, tf.bool)
        is_id = (nearest >= 0) & (nearest < self.num_ids)
        if self.ignore_label is not None:
            is_id |= nearest == self.ignore_label
        return tf.cast(nearest, tf.int32), ~(is_whole & is_id)

    def checked(self, label):
        """The label as whole numbers; asserts that they are of these ids.

        XLA drops assertions and compiles no text: see `label_check`.

        Args:
            label: as for `rounded`.

        Returns:
            int32 of the same shape.

        Raises:
            ValueError: the type is none of numbers.
            tf.errors.InvalidArgumentError: an id is another; `told` has the message.
        """
        whole, is_wrong = self.rounded(label)

        def refuse():
            values = tf.convert_to_tensor(label)
            if values.dtype != tf.uint64:  # Its ids from 2**63 are negative in int64.
                values = _in_exact_type(values)
            shown = _shown(tf.boolean_mask(values, is_wrong))
            told = tf.strings.join([f"{self}, got ", shown])
            return tf.debugging.Assert(False, [told])

        # In the branch alone, so that a label that is right costs one look.
        check = tf.cond(tf.reduce_any(is_wrong), refuse, tf.no_op)
        with tf.control_dependencies([] if check is None else [check]):
            return tf.identity(whole)


def told(error):
    """What `LabelIds.checked` says in TensorFlow's account of it; None in another."""
    found = re.search(rf"{_BEGINNING}[^\n\]']*", str(error))
    return found and found.group()


def _in_exact_type(label):
    """float32 or float64, or int64: half types cannot count voxels' ids apart."""
    label = tf.convert_to_tensor(label)
    if label.dtype.is_floating:
        return label if label.dtype == tf.float64 else tf.cast(label, tf.float32)
    if label.dtype.is_integer or label.dtype.is_bool:
        return tf.cast(label, tf.int64)
    raise ValueError(f"{_BEGINNING}, got {label.dtype.name}")


def _shown(values):
    """Some of the values that there are, as text."""
    if values.dtype.is_floating:
        texts = tf.strings.as_string(values[:_MOST_SEARCHED], _DIGITS, shortest=True)
    else:
        texts = tf.strings.as_string(values[:_MOST_SEARCHED])
    different = tf.unique(texts)[0]
    shown = tf.strings.reduce_join(different[:_MOST_SHOWN], separator=", ")
    more = tf.where(tf.size(different) > _MOST_SHOWN, ", ...", "")
    return tf.strings.join([shown, more])
