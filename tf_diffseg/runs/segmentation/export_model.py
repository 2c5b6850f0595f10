"""An export as the model of a `VolumeSegmenter`."""

import contextlib
import functools
import json
import re

import numpy as np
import tensorflow as tf

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.targets import Targets
from tf_diffseg.inference import Segmenter, flipped_mean
from tf_diffseg.runs.segmentation.run_model import model_tensors, predict_function
from tf_diffseg.runs.segmentation.scan_resampling import ScanResampling

# Options that are fixed in the graph of an export.
_FIXED_OPTIONS = (
    "sampler",
    "eta",
    "num_timesteps",
    "early_exit",
    "overlap",
    "window_shape",
)


class ExportModel:
    """Model of a `VolumeSegmenter` from a SavedModel, without the training code."""

    saved_steps = None
    progress_of = contextlib.nullcontext  # The graph tells none.

    def __init__(self, path, options):
        for name in options.given():
            if name in _FIXED_OPTIONS:
                raise InputError(
                    f"{name} does not apply: `model={path}` is an export, which "
                    "samples as it was exported; give the run folder",
                    argument=name,
                )
        card = _model_card(path)
        self._path, self._options = path, options
        self._has_card = bool(card)
        # An export without a card of ours, or an older one, says nothing of them.
        targets = Targets(**(card.get("targets") or {"names": [], "class_ids": []}))
        self._region_labels = targets.region_labels
        self.regions = targets.written_regions
        self.resampling = ScanResampling(
            card.get("preprocessing", {}),
            card.get("training_data", {}).get("fingerprint"),
            options.resample,
        )
        # Older exports do not resample in their graph, but here, around it.
        self._graph_resamples = card.get("served", {}).get("resample") == "auto"
        # Its variables live only as long as this object.
        self._loaded = tf.saved_model.load(str(path))
        self._signatures = self._loaded.signatures
        spec = self._signatures["segment_volume"].structured_input_signature[1]
        self.num_channels = spec["image"].shape[-1]
        self._batch = spec["image"].shape[0]  # None for any.
        outputs = self._signatures["serving_default"].structured_outputs
        num_classes = outputs["probabilities"].shape[-1]
        self.label_values = card.get("label_values", list(range(num_classes)))
        self.class_names = card.get("class_names", [str(v) for v in self.label_values])

    def label(self, image, affine):
        """Label values [i, j, k] of a volume."""
        if self._options.flip_axes or self._differs_from_graph(affine):
            class_ids = self.prediction(image, affine).class_ids.numpy()
            return np.array(self.label_values, np.int32)[class_ids]
        image, affine, seed = model_tensors(image, affine, self._options.seed)
        with self._named_refusals():
            result = self._run("segment_volume", image=image, affine=affine, seed=seed)
        return result["label"].numpy()

    def _differs_from_graph(self, affine):
        """Whether the graph and the options disagree on resampling a scan."""
        wanted = self._options.resample == "auto"
        return wanted != self._graph_resamples and self.resampling.is_outside(affine)

    def _run(self, signature, **inputs):
        """Outputs of a signature for one volume, repeated to fill a fixed batch."""
        batch = self._batch or 1
        inputs = {
            name: tf.repeat(value[tf.newaxis], batch, axis=0)
            for name, value in inputs.items()
        }
        outputs = self._signatures[signature](**inputs)
        return {name: value[0] for name, value in outputs.items()}

    def prediction(self, image, affine):
        """`tf_diffseg.inference.Prediction` of a volume."""
        with self._named_refusals():
            return self._predict(*model_tensors(image, affine, self._options.seed))

    @contextlib.contextmanager
    def _named_refusals(self):
        """Turns a refusal of the graph into an InputError."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            assertion = re.search(r"assertion failed: \[(.*)\]", error.message)
            reason = assertion[1] if assertion else error.message.splitlines()[0]
            raise InputError(
                f"model={self._path} refuses it: {reason}", argument="model"
            ) from error

    @functools.cached_property
    def _predict(self):
        if not self._has_card:
            raise InputError(
                f"model={self._path} holds no assets/model_card.json, which "
                "says how to preprocess for several samples or mirror images",
                argument="model",
            )

        def sample(image, seed):
            if self._batch is None:
                serve = self._signatures["serving_default"]
                return serve(image=image, seed=seed)["probabilities"]
            return tf.map_fn(
                lambda one: self._run("serving_default", image=one[0], seed=one[1])[
                    "probabilities"
                ],
                (image, seed),
                fn_output_signature=tf.float32,
                parallel_iterations=1,
            )

        segmenter = Segmenter(
            flipped_mean(sample, self._options.flipped_axes),
            self.resampling.preprocessor,
            self.label_values,
            self._region_labels,
        )
        return predict_function(segmenter, self._options, reduce_retracing=True)


def _model_card(path):
    """The model card of an export; an empty dict if there is none."""
    path = path / "assets" / "model_card.json"
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        needed = ("preprocessing", "label_values", "class_names", "targets")
        more = ("training_data", "served")  # written only by `experiments.export`
        return {
            **{name: card[name] for name in needed},
            **{name: dict(card[name]) for name in more if name in card},
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a model card: {error!r}") from error
