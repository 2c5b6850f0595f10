"""Calls as they were before there was a `SourceGrid`; they go with the next release."""

import functools
import typing
import warnings

from tf_diffseg.preprocessing.source_grid import SourceGrid

# The parts of a `SourceGrid`, by the names of the arguments that they were.
_PARTS = ("source_shape", "source_affine", "crop_box")


def _warn(message):
    # Past this function and the old call.
    warnings.warn(message, DeprecationWarning, stacklevel=3)


def takes_parts(*old_names):
    """Lets a method that takes a `SourceGrid` be called with its parts as well.

    Args:
        *old_names: the method's arguments as they were, in order.

    Returns:
        A decorator.
    """

    def decorate(method):
        @functools.wraps(method)
        def call(self, *arguments, **named):
            given = [*arguments, *named.values()]
            if any(isinstance(value, SourceGrid) for value in given):
                return method(self, *arguments, **named)
            named.update(zip(old_names, arguments, strict=False))
            if "affine" in named:
                named["source_affine"] = named.pop("affine")
            parts = {name: named.pop(name) for name in _PARTS if name in named}
            _warn(
                f"{method.__name__} takes a SourceGrid, as `locate` and `preprocess` "
                f"give it, in place of {', '.join(parts)}"
            )
            source = SourceGrid(*(parts.get(name) for name in _PARTS))
            return method(self, source=source, **named)

        # A `tf.function` of the method would refuse what its signature does not have.
        del call.__wrapped__
        return call

    return decorate


class OldCalls:
    """Methods that a `VolumePreprocessor` had in place of `locate` and `preprocess`."""

    def crop_box(self: typing.Any, image, affine):
        """The `crop_box` of `locate`."""
        _warn("crop_box(...) is now locate(...).crop_box")
        return self.locate(image, affine).crop_box

    def processed(self: typing.Any, image, affine):
        """`(image, affine, is_flat)` of `preprocess`."""
        _warn("processed(...) is now preprocess(...)")
        volume = self.preprocess(image, affine)
        return volume.image, volume.affine, volume.scaling.is_flat

    def scaling(self: typing.Any, image, affine):
        """The `scaling` of `preprocess`."""
        _warn("scaling(...) is now preprocess(...).scaling")
        return self.preprocess(image, affine).scaling
