"""Earlier calls, from before `SourceGrid`; the next release will not have them."""

import functools
import typing
import warnings

from tf_diffseg.preprocessing.source_grid import SourceGrid

# The earlier arguments that are now parts of a `SourceGrid`, in its order.
_PARTS = ("source_shape", "source_affine", "crop_box")


def _warn(message):
    # The warning points to the caller of the old call.
    warnings.warn(message, DeprecationWarning, stacklevel=3)


def takes_parts(*old_names):
    """Decorates a method that takes a `SourceGrid`, so that it takes its parts too.

    Args:
        *old_names: the method's earlier arguments, in order.
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

        # Otherwise a `tf.function` of the method would refuse the earlier arguments.
        del call.__wrapped__
        return call

    return decorate


class OldCalls:
    """Earlier methods of `VolumePreprocessor`, now `locate` and `preprocess`."""

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
