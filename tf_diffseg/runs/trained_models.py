"""One or several trained models, ready to segment."""

import copy
import functools
import os
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.targets import targets_of
from tf_diffseg.preset_folder import NETWORK
from tf_diffseg.runs.folds.run_data import (
    is_cross_validation,
    read_as_divided,
    runs_of,
)
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.segmentation.scan_resampling import ScanResampling
from tf_diffseg.text import named_options
from tf_diffseg.window_progress import WindowProgress

# Options that have no effect unless a model samples.
_SAMPLING_OPTIONS = ("sampler", "eta", "num_timesteps", "early_exit", "num_samples")


class TrainedModels:
    """The models of run folders; their probabilities are averaged.

    It reads and checks configs at once, without TensorFlow, and loads checkpoints when
    they are first used.

    Args:
        paths: run folders, whose newest checkpoints are taken, checkpoints in them,
            such as `RUN/checkpoints/epoch-00031.keras`, or folders of
            cross-validations, whose folds are all taken. The data of all must have
            the same classes, channels and preprocessing.
        options: `InferenceOptions`.

    Attributes:
        manifest: `Manifest` of the training data of the first.
        options: as given.
        run_folders: `RunFolder` of each.
        targets: `Targets` that all share.
        resampling: `ScanResampling` of the first.

    Raises:
        InputError: a path is no run or does not fit the first, or an option does not
            apply.
    """

    def __init__(self, paths, options):
        self.options = options
        self._precision = None
        paths = [run for path in paths for run in runs_of(path)]
        self.run_folders, self._files = zip(*map(_folder_and_file, paths), strict=True)
        self._configs = [folder.config() for folder in self.run_folders]
        self.manifest = self.run_folders[0].manifest()
        for folder in self.run_folders[1:]:
            folder.check_data(self.manifest)
        self.targets = self._common_targets()
        self.resampling = ScanResampling(
            self.manifest.preprocessing, self.manifest.fingerprint, options.resample
        )
        options.post_processing(self.manifest.class_names)  # refuses unknown classes
        if all(config.strategy == "supervised" for config in self._configs):
            for name in options.given():
                if name in _SAMPLING_OPTIONS:
                    raise InputError(
                        f"{name} does not apply: the run in "
                        f"`model_dir={self.run_folders[0].path}` is supervised, it "
                        "does not sample",
                        argument=name,
                    )

    def _common_targets(self):
        """`Targets` of all runs; raises InputError if they differ."""
        first = self.run_folders[0]
        common = targets_of(self._configs[0], self.manifest)
        for folder, config in zip(self.run_folders, self._configs, strict=True):
            targets = targets_of(config, folder.manifest())
            if targets != common:
                raise InputError(
                    f"the run in {folder.path} has the targets "
                    f"{', '.join(targets.names)}, but the run in {first.path} has "
                    f"{', '.join(common.names)}; they cannot be averaged"
                )
        return common

    def read_data(self, data_dir, split):
        """Reads the `Manifest` of data to evaluate on, see `read_as_divided`.

        Raises:
            InputError: as in `read_as_divided` and `check_data`.
        """
        manifest = read_as_divided(data_dir, self.run_folders)
        self.check_data(manifest, split)
        return manifest

    def check_data(self, manifest, split):
        """Checks that the models may be evaluated on a split of a `Manifest`.

        Raises:
            InputError: the data does not fit the models, or the split holds cases
                that one of them was trained on.
        """
        for folder in self.run_folders:
            folder.check_data(manifest)
            folder.check_unseen(manifest, split)

    @functools.cached_property
    def checkpoints(self):
        """Paths of the checkpoints; raises InputError if one is missing or damaged."""
        return [
            folder.existing_checkpoint(file)
            for folder, file in zip(self.run_folders, self._files, strict=True)
        ]

    @functools.cached_property
    def models(self):
        """List of `DiffusionUNet3D`.

        Raises:
            InputError: as in `checkpoints`, or a network has other channels or
                classes than the data of its run.
        """
        files = list(zip(self.run_folders, self.checkpoints, strict=True))
        models = [folder.load_model(file) for folder, file in files]
        for (folder, file), model in zip(files, models, strict=True):
            self._check_shape(model, folder, file)
        if self._precision is not None:
            from tf_diffseg.training.saving.copies import copy_of

            models = [copy_of(model, dtype=self._precision) for model in models]
        return [self._with_options(model) for model in models]

    def _check_shape(self, model, folder, file):
        """Raises InputError if a network is not of the run that it lies in."""
        found = (model.image_channels, model.num_classes)
        expected = (self.manifest.num_channels, self.targets.num_outputs)
        if found != expected:
            raise InputError(
                f"the network in {file} has {found[0]} channel(s) and {found[1]} "
                f"classes, but config and manifest in {folder.path} have {expected[0]} "
                f"and {expected[1]}: they are not of the same run"
            )

    def in_precision(self, precision):
        """The same models, but they compute in a precision, such as "float32"."""
        trained = copy.copy(self)
        trained._precision = precision
        trained.__dict__.pop("models", None)  # of the other precision
        return trained

    def segmenter(self, with_steps=False, progress=None):
        """`tf_diffseg.inference.Segmenter` of the models.

        Windows have the shape of the training patches, unless options give another.

        Args:
            with_steps: whether its sample function gives the prediction of each reverse
                step, for `Segmenter.predict`.
            progress: as for `SlidingWindow`.
        """
        from tf_diffseg.inference import Segmenter, ensemble_mean

        windows = [
            self._window(
                model,
                self.options.window_shape or config.patch_shape,
                with_steps,
                progress,
            )
            for model, config in zip(self.models, self._configs, strict=True)
        ]
        return Segmenter(
            ensemble_mean(windows),
            self.resampling.preprocessor,
            self.manifest.label_values,
            self.targets.region_labels,
            shares_encoding=any(model.mask_branch for model in self.models),
        )

    @property
    def saved_steps(self):
        """Mean number of reverse steps saved per window, or None without early exit."""
        if self.options.early_exit is None:
            return None
        saved = [model.sampler.saved_steps for model in self.models if model.sampler]
        return sum(saved) / len(saved)

    def window_progress(self):
        """A `WindowProgress` for as many samples as the options say."""
        return WindowProgress(len(self.run_folders) * self.options.num_samples)

    def _window(self, model, window_shape, with_steps, progress):
        from tf_diffseg.inference import SlidingWindow, flipped_mean, steps_last

        output_shape: tuple[int, ...] = (model.num_classes,)
        sample = model.sample
        if with_steps:
            output_shape = (model.num_steps, model.num_classes)
            sample = steps_last(model.sample_trajectory)
        return SlidingWindow(
            flipped_mean(sample, self.options.flipped_axes),
            window_shape,
            output_shape,
            self.options.overlap,
            self.options.batch_size,
            progress,
            model.encoding,
        )

    def _with_options(self, model):
        from tf_diffseg.diffusion import EarlyExitSampler, get_sampler, identifier_of

        if model.sampler is None:
            return model
        identifier, asked = identifier_of(model.sampler), self.options.sampler
        if asked is not None and asked != named_options(identifier)[0]:
            identifier = asked
        given = {
            name: getattr(self.options, name)
            for name in ("num_timesteps", "eta")
            if getattr(self.options, name) is not None
        }
        try:
            model.sampler = get_sampler(identifier, model.diffusion, **given)
        except ValueError as error:
            names = [name for name in given if str(error).startswith(name)]
            raise InputError(str(error), *names) from None
        if self.options.early_exit is not None:
            model.sampler = EarlyExitSampler(
                model.sampler, self.options.early_exit, model.encoding
            )
        return model


def paths_with(path, ensemble_with):
    """List of a path and of one or several paths to average with."""
    is_one = isinstance(ensemble_with, (str, os.PathLike))
    return [path, *([ensemble_with] if is_one else ensemble_with)]


def is_run(path):
    """Whether a path may be a run folder, a checkpoint or a cross-validation."""
    path = pathlib.Path(path)
    if is_export(path):
        return False
    is_one = path.suffix == ".keras" or (path / "config.json").is_file()
    return is_one or is_cross_validation(path)


def is_export(path):
    """Whether a path is the folder of an exported version, whatever else it holds."""
    return (pathlib.Path(path) / "saved_model.pb").is_file()


def _folder_and_file(path):
    """`RunFolder` of a path, and the checkpoint if the path names one."""
    path = pathlib.Path(path)
    if path.suffix != ".keras":
        return RunFolder(path), None
    if not path.is_file():
        raise InputError(f"{path} does not exist, expected a checkpoint")
    is_preset = path.name == NETWORK
    return RunFolder(path.parent if is_preset else path.parent.parent), path
