"""What is said of versions and licenses in several places is the same."""

import re
import subprocess
import sys

from tests.architecture.source_tree import REPOSITORY
from tf_diffseg.shipped_models import MODELS_DIR, model_names
from tf_diffseg.version import __version__


def _text(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def _oldest():
    """Version by package, of what `make test-oldest` installs."""
    printed = subprocess.run(
        [sys.executable, REPOSITORY / ".ci" / "oldest.py"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    ).stdout
    return dict(line.split("==") for line in printed.splitlines())


def test_the_citation_has_the_version():
    assert f"\nversion: {__version__}\n" in _text("CITATION.cff")


def test_the_oldest_versions_are_those_of_the_page():
    oldest, page = _oldest(), _text("CONTRIBUTING.md")
    assert len(oldest) > 15
    for name in ("TensorFlow", "Keras", "NumPy"):
        (version,) = re.findall(rf"^\| {name} \| (\S+) \|", page, re.MULTILINE)
        assert oldest[name.lower()] == version, name
    ends = re.search(r"^\| Python \| (\S+) \| (\S+) \|", page, re.MULTILINE)
    last = int(ends[2].partition(".")[2]) + 1
    assert f'python_requires=">={ends[1]},<3.{last}"' in _text("setup.py")


def test_the_notice_names_what_has_another_license():
    notice = _text("NOTICE")
    for path in re.findall(r"^(?:tf_diffseg|experiments)/\S+$", notice, re.MULTILINE):
        assert (REPOSITORY / path).exists(), path
    for name in model_names():
        folder = (MODELS_DIR / name).relative_to(REPOSITORY).as_posix()
        assert f"\n{folder}\n" in notice
