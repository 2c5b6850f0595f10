"""What is said of versions and licenses in several places is the same."""

import fnmatch
import re
import runpy
import subprocess
import sys

import pytest

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


def test_the_page_of_the_package_has_no_links_that_lead_nowhere(monkeypatch):
    setuptools, given = pytest.importorskip("setuptools"), {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(REPOSITORY / "setup.py"))
    page = given["long_description"]
    assert page.splitlines()[0] == _text("README.md").splitlines()[0]
    links = re.findall(r"\]\(([^)]*)\)", page)
    assert links and all(link.startswith("http") for link in links), links
    assert (
        "![" not in page and "[Getting" not in page and "Getting started takes" in page
    )


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="no checkout of git")
def test_the_source_distribution_is_the_whole_repository():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, encoding="utf-8"
    ).stdout.split("\n")
    lines = [line.split() for line in _text("MANIFEST.in").splitlines()]
    included = {
        "include": ["LICENSE", "MANIFEST.in", "pyproject.toml", "setup.py"],
        "graft": [],
    }
    for command, *patterns in lines:
        included.get(command, []).extend(patterns)
    for path in filter(None, tracked):
        folder, _, below = path.partition("/")
        known = included["graft" if below else "include"]
        assert any(fnmatch.fnmatch(folder, pattern) for pattern in known), path
