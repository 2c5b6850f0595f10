"""Small trees of sources, written for one test."""

import pytest

from tests.architecture import source_tree


@pytest.fixture
def tree_of(tmp_path):
    """Function that writes a dict of paths and sources, and reads all modules."""

    def write_and_read(sources):
        for path, source in sources.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(source)
        return source_tree.SourceTree(tmp_path)

    return write_and_read
