"""What Python's `gzip` reads, and what it refuses."""

import gzip
import random
import zlib

import pytest

from data_tools.gzip_reader import open_gzip

_CONTENTS = {
    "empty": b"",
    "short": b"abc",
    "zeros": bytes(3_000_000),
    "random": random.Random(0).randbytes(300_000),
    "mixed": bytes(400_000) + random.Random(1).randbytes(100_000),
}


def _read(path):
    with open_gzip(path) as file:
        return file.read()


@pytest.mark.parametrize("name", _CONTENTS)
def test_content(tmp_path, name):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(_CONTENTS[name]))
    assert _read(path) == _CONTENTS[name]


@pytest.mark.parametrize("padding", [0, 5, 1 << 16])
def test_several_members_and_padding(tmp_path, padding):
    path = tmp_path / "a.gz"
    members = [gzip.compress(content) for content in _CONTENTS.values()]
    content = bytes(padding).join(members) + bytes(padding)
    path.write_bytes(content)
    assert _read(path) == b"".join(_CONTENTS.values()) == gzip.decompress(content)


def test_reading_anywhere(tmp_path):
    path, content = tmp_path / "a.gz", _CONTENTS["mixed"]
    path.write_bytes(gzip.compress(content))
    with open_gzip(path) as file:
        for start, size in ((10, 5), (450_000, 20), (450_020, 9), (3, 450_000)):
            file.seek(start)
            assert file.tell() == start
            buffer = bytearray(size)
            assert file.readinto(buffer) == size
            assert buffer == content[start : start + size]
        file.seek(len(content) + 1)
        assert file.read() == b""


@pytest.mark.parametrize("name", ["zeros", "random"])
@pytest.mark.parametrize("missing", [1, 8, 9, 200])
def test_cut_file(tmp_path, name, missing):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(_CONTENTS[name])[:-missing])
    with pytest.raises(EOFError, match="ended before the end"):
        _read(path)


@pytest.mark.parametrize("place", [0, 5000, -6, -2])
def test_changed_byte(tmp_path, place):
    path = tmp_path / "a.gz"
    content = bytearray(gzip.compress(_CONTENTS["random"]))
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(zlib.error):
        _read(path)


def test_bytes_behind_the_end(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"abc") + b"more")
    with pytest.raises(zlib.error):
        _read(path)
