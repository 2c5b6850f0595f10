"""One trained model or several, made ready to segment."""

import functools
import os
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.targets import targets_of
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.segmentation.scan_resampling import ScanResampling
from tf_diffseg.text import named_options

# Options that do nothing where no model samples.
_OF_SAMPLING = ("sampler", "eta", "num_timesteps", "early_exit", "num_samples")


class TrainedModels:
    """The models of run folders, whose probabilities are averaged.

    Configs are read and checked at once, without TensorFlow; checkpoints when they
    are first asked for.

    Args:
        paths: run folders, of which the newest checkpoint counts, or single
            checkpoints in them: `RUN/checkpoints/epoch-00031.keras`. All were
            trained on data of one form, that of the first.
        options: `InferenceOptions`.

    Attributes:
        manifest: `Manifest` of the data that the first was trained on.
        options: as given.
        run_folders: `RunFolder` of each.
        targets: `Targets` of them all.
        resampling: `ScanResampling` of the first.

    Raises:
        InputError: a path is no run, was trained on data of another form, or an
            option does not apply.
    """

    def __init__(self, paths, options):
        self.options = options
        self.run_folders, self._files = zip(*map(_find, paths), strict=True)
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
                if name in _OF_SAMPLING:
                    raise InputError(
                        f"{name} does not apply: the run in "
                        f"model_dir={self.run_folders[0].path} is supervised, it "
                        "does not sample",
                        argument=name,
                    )

    def _common_targets(self):
        folders = zip(self.run_folders, self._configs, strict=True)
        (first, targets), *others = (
            (folder, targets_of(config, folder.manifest()))
            for folder, config in folders
        )
        for folder, found in others:
            if found != targets:
                raise InputError(
                    f"the run in {folder.path} tells {', '.join(found.names)} apart, "
                    f"that in {first.path} {', '.join(targets.names)}; they have no "
                    "mean"
                )
        return targets

    def check_data(self, manifest, split):
        """Checks that the models may be evaluated on a split.

        Args:
            manifest: `Manifest` of the data.
            split: name of the split.

        Raises:
            InputError: the data is of another form, or the split holds cases that
                one of them was trained on.
        """
        for folder in self.run_folders:
            folder.check_data(manifest)
            folder.check_unseen(manifest, split)

    @functools.cached_property
    def checkpoints(self):
        """Paths of the models' files.

        Raises:
            InputError: a run has none yet, or one is damaged.
        """
        return [
            folder.existing_checkpoint(file)
            for folder, file in zip(self.run_folders, self._files, strict=True)
        ]

    @functools.cached_property
    def models(self):
        """The `DiffusionUNet3D`s; raises InputError as `checkpoints`."""
        files = zip(self.run_folders, self.checkpoints, strict=True)
        return [self._with_options(folder.load_model(file)) for folder, file in files]

    def segmenter(self, with_steps=False):
        """A `Segmenter`, by windows of what each was trained on, unless options say.

        Args:
            with_steps: whether its sample function gives what was predicted at each
                reverse step, as `Segmenter.predict` takes it.

        Returns:
            `tf_diffseg.inference.Segmenter`.
        """
        from tf_diffseg.inference import Segmenter, ensemble_mean

        windows = [
            self._window(
                model, self.options.window_shape or config.patch_shape, with_steps
            )
            for model, config in zip(self.models, self._configs, strict=True)
        ]
        return Segmenter(
            ensemble_mean(windows),
            self.resampling.preprocessor,
            self.manifest.label_values,
            self.targets.region_labels,
        )

    @property
    def saved_steps(self):
        """Mean number of reverse steps saved per window, or None without early exit."""
        if self.options.early_exit is None:
            return None
        saved = [model.sampler.saved_steps for model in self.models if model.sampler]
        return sum(saved) / len(saved)

    def _window(self, model, window_shape, with_steps):
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
        )

    def _with_options(self, model):
        from tf_diffseg.diffusion import EarlyExitSampler, get_sampler, identifier_of

        if model.sampler is None:
            return model
        identifier, asked = identifier_of(model.sampler), self.options.sampler
        if asked is not None and asked != named_options(identifier)[0]:
            identifier = asked
        given = {
            "num_timesteps": self.options.num_timesteps,
            "eta": self.options.eta,
        }
        given = {name: value for name, value in given.items() if value is not None}
        try:
            model.sampler = get_sampler(identifier, model.diffusion, **given)
        except ValueError as error:
            names = [name for name in given if str(error).startswith(name)]
            raise InputError(str(error), *names) from None
        if self.options.early_exit is not None:
            model.sampler = EarlyExitSampler(model.sampler, self.options.early_exit)
        return model


def paths_with(path, ensemble_with):
    """A model's path and those it is averaged with, which may be one by itself."""
    is_one = isinstance(ensemble_with, (str, os.PathLike))
    return [path, *([ensemble_with] if is_one else ensemble_with)]


def is_run(path):
    """Whether a path is that of a run folder or of a checkpoint."""
    path = pathlib.Path(path)
    return path.suffix == ".keras" or (path / "config.json").is_file()


def _find(path):
    """`RunFolder` of one path, and the checkpoint where it names one."""
    path = pathlib.Path(path)
    if path.suffix != ".keras":
        return RunFolder(path), None
    if not path.is_file():
        raise InputError(f"{path} does not exist, expected a checkpoint")
    return RunFolder(path.parent.parent), path
