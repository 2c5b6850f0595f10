"""report.html: one page with all results of an evaluation, for any browser.

The page holds everything that it shows: its security policy forbids access to the
network. Its parts lie in `page/`. Volumes are shown by NiiVue (https://niivue.com),
which lies there with its licence.
"""

import base64
import gzip
import html
import io
import json
import pathlib

import numpy as np

from tf_diffseg.evaluation.evaluation_summary import number
from tf_diffseg.evaluation.metric_columns import METRICS, metric_values
from tf_diffseg.reports.colours import IGNORED_COLOUR, class_colour
from tf_diffseg.reports.overlay import save_overlay
from tf_diffseg.volumes import nifti_of

_PARTS = pathlib.Path(__file__).parent / "page"
_NIIVUE = "niivue-0.69.0.umd.js.gz"
_MAX_LABEL = 255


class ReportPage:
    """Collects the cases of an evaluation and makes the page.

    It compresses pictures and volumes at once, so that all cases fit in memory.

    Args:
        manifest: `Manifest` of the data.
        targets: `Targets` of the network.
        split: name of the split.
        viewer_bytes: largest size of all volumes in the page; the worst cases get
            theirs, the others only a picture.
    """

    def __init__(self, manifest, targets, split, viewer_bytes):
        self._manifest = manifest
        self._targets = targets
        self._split = split
        self._viewer_bytes = viewer_bytes
        self._cases = []

    def add(self, scores, volumes):
        """Adds a case.

        Args:
            scores: `CaseScores`.
            volumes: `CaseVolumes`, which are not kept.
        """
        values = metric_values(scores)
        samples = scores.sample_volumes_ml[:, 1:]
        intervals = None
        if len(samples) > 1:
            intervals = np.percentile(samples, (2.5, 97.5), axis=0).T
            intervals = [list(map(_number, interval)) for interval in intervals]
        self._cases.append(
            {
                "uid": scores.uid,
                "mean_dice": _number(scores.mean_dice),
                "expected_dice": _number(scores.expected_dice),
                "ignored_voxels": scores.ignored_voxels,
                "auroc": _number(scores.error_auroc),
                "values": {
                    metric.key: list(map(_number, values[metric.key][1:]))
                    for metric in METRICS
                },
                "interval_ml": intervals,
                "picture": self._picture(volumes),
                "volumes": _viewer_volumes(volumes, self._targets.largest_entropy),
            }
        )

    def entries(self):
        """The cases as JSON-able dicts, the worst first, which alone keep volumes."""
        self._cases.sort(
            key=lambda case: 2.0 if case["mean_dice"] is None else case["mean_dice"]
        )
        left = self._viewer_bytes
        for case in self._cases:
            left -= sum(map(len, (case["volumes"] or {}).values()))
            if left < 0:
                case["volumes"] = None
        return self._cases

    def extend(self, entries, fold):
        """Adds the `entries` of another page, of the cases of one fold."""
        self._cases += [{**entry, "fold": fold} for entry in entries]

    def html(self, summary):
        """Makes the text of the page from a summary, see `summarize`."""
        manifest = self._manifest
        label_classes = _coloured(manifest.class_names)
        if manifest.ignored_id is not None:
            label_classes.append({"name": "ignored", "colour": IGNORED_COLOUR})
        data = {
            "dataset": manifest.dataset,
            "split": self._split,
            "modality": manifest.modality,
            "license": manifest.license,
            "classes": _coloured(self._targets.names),
            "label_classes": label_classes,
            "metrics": [vars(metric) for metric in METRICS],
            "entropy_max": self._targets.largest_entropy,
            "summary": summary,
            "cases": self.entries(),
        }
        # Otherwise a name could close the element that holds it.
        text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
        niivue = gzip.decompress((_PARTS / _NIIVUE).read_bytes()).decode("utf-8")
        page = (_PARTS / "page.html").read_text(encoding="utf-8")
        for name, content in {
            "title": html.escape(f"{manifest.dataset}, {self._split}", quote=False),
            "style": (_PARTS / "page.css").read_text(encoding="utf-8"),
            "niivue": niivue,
            "script": (_PARTS / "page.js").read_text(encoding="utf-8"),
            "data": text,
        }.items():
            page = page.replace(f"<!--{name}-->", content, 1)
        return page

    def _picture(self, volumes):
        file = io.BytesIO()
        save_overlay(
            file,
            volumes.image,
            volumes.ground_truth,
            volumes.predicted,
            volumes.spacing_mm,
            self._manifest.class_names,
            uncertainty=volumes.entropy,
            largest_uncertainty=self._targets.largest_entropy,
            ignored_id=self._manifest.ignored_id,
            dpi=80,
            format="webp",
            pil_kwargs={"quality": 78},
        )
        return _base64(file.getvalue())


def _coloured(names):
    """Name and colour of all classes except background."""
    return [
        {"name": name, "colour": class_colour(class_id)}
        for class_id, name in enumerate(names[1:], start=1)
    ]


def _viewer_volumes(volumes, largest_entropy):
    """Dict from name to compressed NIfTI file in base64; None if ids are too high."""
    if max(volumes.ground_truth.max(), volumes.predicted.max()) > _MAX_LABEL:
        return None
    image = volumes.image[..., 0]
    low, high = np.percentile(image, (0.1, 99.9))
    scaled = (image - low) / max(float(high - low), 1e-6) * 255.0
    entropy = volumes.entropy / largest_entropy * 255.0
    arrays = {
        "image": scaled,
        "truth": volumes.ground_truth,
        "predicted": volumes.predicted,
        "entropy": entropy,
    }
    affine = volumes.affine
    if affine is None:
        affine = np.diag([*map(float, volumes.spacing_mm), 1.0])
        affine[:3, 3] = -0.5 * (np.array(image.shape) - 1) * volumes.spacing_mm
    return {
        name: _nifti(np.clip(np.rint(array), 0, 255).astype(np.uint8), affine)
        for name, array in arrays.items()
    }


def _nifti(array, affine):
    content = nifti_of(array, affine).to_bytes()
    return _base64(gzip.compress(content, 6, mtime=0))


def _base64(content):
    return base64.b64encode(content).decode("ascii")


def _number(value):
    value = number(value)
    return None if value is None else float(f"{value:.5g}")
