"""The page of an evaluation, as text and in a real browser."""

import base64
import dataclasses
import gzip
import json
import re
import shutil
import time

import nibabel as nib
import numpy as np
import pytest

from tests.runs import toy_evaluation as toy
from tf_diffseg.evaluation.evaluation_summary import summarize
from tf_diffseg.reports.report_page import ReportPage

_UIDS = {"a": 0.5, "</script><b>b": 0.9, "c": 0.1, "d": float("nan")}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Path of a page of four cases, all with volumes."""
    return _write(tmp_path_factory.mktemp("page") / "report.html")


def _write(path, viewer_bytes=1e9):
    report = ReportPage(toy.MANIFEST, toy.TARGETS, "test", viewer_bytes)
    cases = [toy.scores(uid, dice) for uid, dice in _UIDS.items()]
    for case in cases:
        report.add(case, toy.volumes())
    summary = summarize(cases, toy.MANIFEST.class_names)
    inference = {
        "checkpoints": ["run/checkpoints/epoch-00001.keras"],
        "sampler": "ddpm",
        "num_samples": 2,
        "seed": 0,
        "flip_axes": "x",
        "saved_steps": None,
    }
    path.write_text(report.html({**summary, "inference": inference}), "utf-8")
    return path


def _data(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1]
    )


def test_cases_come_worst_first(page):
    uids = [case["uid"] for case in _data(page)["cases"]]
    assert uids == ["c", "a", "</script><b>b", "d"]


def test_volumes_go_to_the_worst_cases_first(page, tmp_path):
    size = sum(map(len, _data(page)["cases"][0]["volumes"].values()))
    some = _data(_write(tmp_path / "some.html", 2.5 * size))["cases"]
    assert [case["volumes"] is not None for case in some] == [True, True, False, False]
    assert all(case["picture"] for case in some)


def test_volumes_have_the_affine_of_the_scan(tmp_path):
    affine = np.array([[0, -2, 0, 9], [1, 0, 0, -3], [0, 0, 3, 5], [0, 0, 0, 1.0]])
    report = ReportPage(toy.MANIFEST, toy.TARGETS, "test", 1e9)
    case = toy.scores("a", 0.5)
    report.add(case, dataclasses.replace(toy.volumes(), affine=affine))
    path = tmp_path / "report.html"
    path.write_text(report.html(summarize([case], toy.MANIFEST.class_names)), "utf-8")
    (written,) = _data(path)["cases"]
    for content in written["volumes"].values():
        image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(content)))
        np.testing.assert_allclose(image.get_sform(), affine, atol=1e-6)
        np.testing.assert_allclose(image.get_qform(), affine, atol=1e-6)


def test_the_page_loads_nothing_from_the_network(page):
    text = page.read_text(encoding="utf-8")
    own = text[: text.index("(function(sA")] + text[text.rindex("<script>") :]
    assert "default-src 'none'" in own and "<!--" not in own.replace("<!doctype", "")
    assert not re.search(r"(src|href)=\"?https?:", own)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; skips if it or selenium is missing."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is missing: pip install '.[browser]'"
    )
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium or chromedriver is missing (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        # WebGL without a graphics card.
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


def _open(browser, page, width=1200, height=900):
    """Opens the page, and waits until the viewer shows the worst case."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(page.as_uri())
    _wait_for(browser, "return document.body.dataset.viewer", "c")


def _wait_for(browser, script, expected):
    for _ in range(200):
        found = browser.execute_script(script)
        if found == expected:
            return
        time.sleep(0.1)
    raise AssertionError(f"{script} gives {found!r}, expected {expected!r}")


_ROWS = (
    "return [...document.querySelectorAll('#cases tbody tr')].map(r => r.dataset.uid)"
)
# Draws and reads at once, because the browser drops what it has shown.
_PIXELS = """
viewerTest = document.getElementById("canvas");
const copy = document.createElement("canvas");
[copy.width, copy.height] = [viewerTest.width, viewerTest.height];
const context = copy.getContext("2d");
const done = arguments[0];
requestAnimationFrame(() => {
  window.dispatchEvent(new Event("resize"));
  document.getElementById("view").dispatchEvent(new Event("input"));
  context.drawImage(viewerTest, 0, 0);
  const pixels = context.getImageData(0, 0, copy.width, copy.height).data;
  let bright = 0, coloured = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const values = [pixels[i], pixels[i + 1], pixels[i + 2]];
    bright += Math.max(...values) > 60;
    coloured += Math.max(...values) - Math.min(...values) > 40;
  }
  done([bright, coloured]);
});
"""


def test_the_page_opens_without_a_message_on_the_console(browser, page):
    _open(browser, page)
    assert browser.get_log("browser") == []
    assert "4 cases" in browser.find_element("id", "title").text
    loaded = "return document.getElementById('picture').naturalWidth > 500"
    _wait_for(browser, loaded, True)


def test_the_viewer_draws_image_and_labels(browser, page):
    _open(browser, page)
    bright, coloured = browser.execute_async_script(_PIXELS)
    assert bright > 5000 and coloured > 1000
    browser.find_element("id", "show-predicted").click()
    _, without = browser.execute_async_script(_PIXELS)
    assert without < coloured / 10
    assert browser.get_log("browser") == []


def test_headings_sort_and_rows_choose(browser, page):
    _open(browser, page)
    # Undefined values come last, in both directions.
    assert browser.execute_script(_ROWS) == ["c", "a", "</script><b>b", "d"]
    heading = "#cases th:nth-child({}) button"
    browser.find_element("css selector", heading.format(2)).click()
    assert browser.execute_script(_ROWS) == ["</script><b>b", "a", "c", "d"]
    browser.find_element("css selector", heading.format(1)).click()
    assert browser.execute_script(_ROWS) == ["</script><b>b", "a", "c", "d"]
    browser.find_element("css selector", heading.format(1)).click()
    assert browser.execute_script(_ROWS) == ["d", "c", "a", "</script><b>b"]
    browser.find_element("css selector", "#cases tbody tr:nth-child(3)").click()
    _wait_for(browser, "return document.body.dataset.viewer", "a")
    assert browser.find_element("id", "case-title").text == "a: mean Dice 0.500"
    assert browser.get_log("browser") == []


def test_a_phone_need_not_scroll_sideways(browser, page):
    _open(browser, page, width=390, height=844)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    small = """return [...document.querySelectorAll("p, td, th, h1, h2, label, b")]
        .filter(e => e.textContent && parseFloat(getComputedStyle(e).fontSize) < 11)
        .length"""
    assert browser.execute_script(small) == 0
