"""Serializes an Example with large features without copying them.

Protocol Buffers copies a volume four times to put it into a `tf.train.Example` and to
serialize it. Its format is simple: a message is a row of fields, and a field is a tag
(its number and type), its length and its content; see
https://protobuf.dev/programming-guides/encoding. Lists and messages nest like this:

    Example   1: Features   1: map entry   1: name, 2: Feature   1: BytesList   1: bytes
"""

# Longer messages can be written, but no program reads them.
LARGEST_EXAMPLE_BYTES = 2**31 - 1

_FIELD_1, _FIELD_2 = b"\x0a", b"\x12"


def _varint(number):
    """Writes seven bits per byte, the lowest first; the eighth means: more follows."""
    content = bytearray()
    while number >= 0x80:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    content.append(number)
    return bytes(content)


def _field(tag, parts):
    """Lists the parts of a field whose content is `parts`, joined."""
    length = sum(memoryview(part).nbytes for part in parts)
    return [tag, _varint(length), *parts]


def example_parts(features):
    """Serializes an Example, to the same bytes in every process.

    Args:
        features: dict from name to `tf.train.Feature`, or to an array in C order,
            whose bytes become a list of one.

    Returns:
        List of bytes and of views of the arrays. Joined they are the result of
        `SerializeToString(deterministic=True)` of that `tf.train.Example`. Without
        `deterministic` the order of features, and so the shard's checksum, changes
        from process to process.
    """
    entries = []
    for name, feature in sorted(features.items()):
        if hasattr(feature, "SerializeToString"):
            content = [feature.SerializeToString(deterministic=True)]
        else:
            volume = memoryview(feature).cast("B") if feature.size else b""
            content = _field(_FIELD_1, _field(_FIELD_1, [volume]))
        entry = [*_field(_FIELD_1, [name.encode()]), *_field(_FIELD_2, content)]
        entries += _field(_FIELD_1, entry)
    return _field(_FIELD_1, entries)
