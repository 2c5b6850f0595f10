"""Config of a training run, as one flat set of values."""

import dataclasses
import functools
import json
import pathlib
from typing import Any

from tf_diffseg.data.augmentation.options import AugmentationConfig
from tf_diffseg.data.remainder import Remainder
from tf_diffseg.diffusion.beta_schedule import BetaSchedule
from tf_diffseg.diffusion.choices import MaskEncoding, TimestepSampling
from tf_diffseg.diffusion.model_parameterization import ModelOutput, ModelVariance
from tf_diffseg.diffusion.samplers import SAMPLERS
from tf_diffseg.errors import InputError
from tf_diffseg.fields import option, part_values
from tf_diffseg.models.choices import MASK_OUTPUTS, NORMS, SKIPS
from tf_diffseg.text import named_options
from tf_diffseg.training.choices import (
    JIT_COMPILE,
    PRECISIONS,
    Schedule,
    TrainingStrategy,
)
from tf_diffseg.training.saving.frozen_layers import PARTS

_MODEL_PARTS = ("model", "diffusion", "sampler", "loss", "network")
_training = functools.partial(option, part="training")
_pipeline = functools.partial(option, part="pipeline")
_model = functools.partial(option, part="model")
_diffusion = functools.partial(option, part="diffusion")
_sampler = functools.partial(option, part="sampler")
_loss = functools.partial(option, part="loss")
_network = functools.partial(option, part="network")


@dataclasses.dataclass(frozen=True)
class TrainConfig(AugmentationConfig):
    """Values of a training run; each is also a flag of `experiments.train`.

    Example:
        >>> config = TrainConfig(patch_shape=(64, 64, 32), epochs=20)
        >>> config.strategy
        'recycling'
    """

    patch_shape: tuple[int, ...] = _training(
        (48, 48, 48),
        "Voxels of the random training patches: x,y,z. The shape of the volumes is "
        "best if memory allows.",
        at_least=1,
        length=3,
    )
    batch_size: int = _training(2, "Patches in a batch, over all devices.", at_least=1)
    epochs: int = _training(10, "Passes over the training cases.", at_least=1)
    learning_rate: float = _training(
        3e-3, "Highest learning rate; see schedule.", at_least=0
    )
    schedule: str = _training(
        "cosine",
        "Learning rate after the warm-up: it decays to 0 or stays constant.",
        choices=Schedule,
    )
    warmup_steps: int = _training(
        50, "Steps of linear rise to the learning rate.", at_least=0
    )
    weight_decay: float = _training(
        1e-4, "Weight decay of AdamW, except of norms and biases.", at_least=0
    )
    gradient_clip: float = _training(
        1.0,
        "Largest norm of the gradient over all weights; 0 for no limit.",
        at_least=0,
    )
    ema: float = _training(
        0.0,
        "Momentum of a moving average of the weights, such as 0.999, that validation, "
        "evaluation and export use; 0 for none.",
        at_least=0,
        at_most=0.99999,
    )
    accumulation_steps: int = _training(
        1,
        "Number of parts into which a device splits its batch to save memory; the "
        "result is that of the whole batch.",
        at_least=1,
    )
    precision: str = _training(
        "float32",
        "Precision in which the network computes.",
        choices=PRECISIONS,
    )
    jit: str = _training(
        "auto",
        "Whether XLA compiles the step; auto compiles it only on GPUs.",
        choices=JIT_COMPILE,
    )
    deterministic: bool = _training(
        False, "Whether to use only operations that repeat bit by bit; slower on GPUs."
    )
    keep_checkpoints: int = _training(
        2, "Number of checkpoints to keep beside the best.", at_least=1
    )
    checkpoint_steps: int = _training(
        0,
        "Steps from one checkpoint to the next within an epoch; 0 for only one at the "
        "end of each epoch.",
        at_least=0,
    )
    patches_per_volume: int = _pipeline(
        1, "Patches of each case per epoch; the case is decoded only once.", at_least=1
    )
    foreground_share: float = _pipeline(
        0.33,
        "Share of the patches that are centred on foreground, if volumes are larger "
        "than patches.",
        at_least=0,
        at_most=1,
    )
    balance_classes: bool = _pipeline(
        False, "Whether each class is equally often at the centre of such patches."
    )
    remainder: str = _pipeline(
        "drop",
        "What to do with cases that do not fill the last batch of an epoch: drop "
        "leaves them out, others each time; pad fills it with cases already seen.",
        choices=Remainder,
    )
    validation_frequency: int = _training(
        5,
        "Epochs from one validation to the next; the last is validated, too. More than "
        "epochs for none.",
        at_least=1,
    )
    early_stopping: int = _training(
        0,
        "Validations in a row without a better Dice after which the run ends; 0 for "
        "never.",
        at_least=0,
    )
    validation_pictures: int = _training(
        2,
        "Validation cases to draw at each validation, for TensorBoard and into the "
        "folder pictures of the run.",
        at_least=0,
    )
    seed: int = _model(
        0,
        "Seed of initial weights, order of cases, patches and noise.",
        at_least=0,
        at_most=2**31 - 1,
    )

    folds: int = _training(
        0,
        "Number of folds into which to divide the cases of all splits but test, with "
        "the cases of a group in one fold; 0 keeps the splits of the data.",
        at_least=0,
    )
    fold: int | None = _training(
        None,
        "Fold to validate on, from 0; the other folds are trained on.",
        at_least=0,
    )
    test_in_folds: bool = _training(
        False,
        "Whether the cases of the split test are in the folds too; without it no fold "
        "sees them.",
    )

    init_from: str = _training(
        "",
        "Source of initial weights, as far as they fit: a run folder, a .keras or "
        ".weights.h5 file, the folder of an exported version, or the name of a model "
        "that comes with the package, such as hippocampus.",
    )
    freeze: str = _training(
        "none",
        "Layers that keep the weights of init_from: encoder for all layers down to the "
        "coarsest resolution.",
        choices=("none", *PARTS),
    )

    strategy: str = _model(
        "recycling", "Noisy mask that the network trains on.", choices=TrainingStrategy
    )
    mask_encoding: str = _training(
        "auto",
        "Whether each voxel has one class, or the regions of the data overlap; auto "
        "means regions if the data declare any.",
        choices=("auto", *MaskEncoding),
    )
    num_timesteps: int = _diffusion(5, "Diffusion steps of training and of sampling.")
    num_timesteps_beta: int = _diffusion(
        1001, "Steps over which the noise schedule is defined."
    )
    beta_schedule: str = _diffusion("linear", "Noise schedule.", choices=BetaSchedule)
    beta_start: float = _diffusion(
        1e-4, "Beta of the schedule's first step.", at_least=0
    )
    beta_end: float = _diffusion(0.02, "Beta of the schedule's last step.", at_least=0)
    timestep_sampling: str = _model(
        "uniform",
        "Whether to train on all steps equally, or more on those with larger losses.",
        choices=TimestepSampling,
    )
    model_output: str = _diffusion(
        "x_start", "What the network predicts.", choices=ModelOutput
    )
    model_variance: str = _diffusion(
        "fixed_small",
        "Variance of DDPM's steps; learned needs variational_weight.",
        choices=ModelVariance,
    )
    sampler: str = _sampler(
        "ddim", "Sampler of validation.", choices=SAMPLERS, takes_options=True
    )
    eta: float = _sampler(
        0.0,
        "Noise that DDIM draws, as a share of DDPM's standard deviation.",
        at_least=0,
        at_most=1,
    )
    dice_weight: float = _loss(1.0, "Weight of the Dice loss.", at_least=0)
    cross_entropy_weight: float = _loss(1.0, "Weight of the cross-entropy.", at_least=0)
    focal_weight: float = _loss(0.0, "Weight of the focal loss.", at_least=0)
    focal_gamma: float = _loss(2.0, "Exponent of the focal loss.", at_least=0)
    noise_weight: float = _loss(
        1.0, "Weight of the error of predicted noise.", at_least=0
    )
    variational_weight: float = _loss(
        0.0, "Weight of the variational bound, in bits per dimension.", at_least=0
    )
    more_losses: str = _loss(
        "",
        "Further losses by name, with weights and options, separated by spaces: "
        "focal_loss:weight=0.5,gamma=1.",
    )

    num_channels: tuple[int, ...] = _network(
        (16, 32, 64, 128), "Features at each resolution, finest first.", at_least=1
    )
    num_blocks: tuple[int, ...] | None = _network(
        None, "Residual blocks at each resolution; by default 1,2,2,...", at_least=1
    )
    kernel_size: tuple[int, ...] | tuple[tuple[int, ...], ...] = _network(
        (3, 3, 3),
        "Convolution kernel: x,y,z; or one for each resolution, finest first, such as "
        "3,3,1/3,3,3 for two.",
        at_least=1,
        length=3,
        nested=True,
    )
    patch_size: tuple[int, ...] = _network(
        (1, 1, 1),
        "Voxels that one feature at the finest resolution covers: x,y,z.",
        at_least=1,
        length=3,
    )
    scale_factor: tuple[int, ...] | tuple[tuple[int, ...], ...] = _network(
        (2, 2, 2),
        "Factor from one resolution to the next: x,y,z; or one for each such step, "
        "such as 2,2,1/2,2,2 for three resolutions.",
        at_least=1,
        length=3,
        nested=True,
    )
    num_heads: int = _network(
        4, "Attention heads at the coarsest resolution, or 0.", at_least=0
    )
    skip: str = _network("add", "How skip connections are joined.", choices=SKIPS)
    norm: str = _network(
        "instance",
        "Whether features are normalised over the volume that the network sees, or "
        "over the channels of each voxel, so that windows agree with a whole volume.",
        choices=NORMS,
    )
    mask_branch: tuple[int, ...] | None = _network(
        None,
        "Features of a light branch for noisy mask and time at each resolution from "
        "the second finest on, such as 16,32; empty for none. With it the network sees "
        "the image once for all steps, without it one network sees image and mask.",
        at_least=1,
    )
    mask_output: str = _network(
        "features",
        "What the light branch gives at the finest resolution: features, or logits to "
        "add to those of the image, which makes a step cheaper.",
        choices=MASK_OUTPUTS,
    )
    deep_supervision: int = _network(
        0,
        "Resolutions below the finest whose features of the image are trained to give "
        "the segmentation, too; needs `mask_branch` or `strategy=supervised`.",
        at_least=0,
    )
    dropout: float = _network(
        0.0, "Share of features dropped inside a block.", at_least=0
    )
    remat: bool = _network(
        False,
        "Whether training computes features inside blocks again for the gradient, "
        "instead of keeping them; it needs less memory and one more forward pass.",
    )

    def __post_init__(self):
        """Turns lists into tuples; raises InputError if a value is wrong."""
        if self.mask_branch in ((), []):
            object.__setattr__(self, "mask_branch", None)
        super().__post_init__()
        self._check_folds()
        self._check_losses()
        if self.freeze != "none" and not self.init_from:
            raise InputError(
                f"freeze={self.freeze} needs `init_from`: the frozen weights would "
                "stay random",
                argument="freeze",
            )
        self._check_mask_branch()

    def _check_mask_branch(self):
        if self.mask_branch and self.lacks_mask_branch:
            branch = ",".join(map(str, self.mask_branch))
            raise InputError(
                f"mask_branch={branch} cannot be: {self.lacks_mask_branch}",
                argument="mask_branch",
            )
        if self.mask_output == "logits" and not self.mask_branch:
            raise InputError(
                "mask_output=logits needs `mask_branch`", argument="mask_output"
            )

    def _check_losses(self):
        for loss in self.more_losses.split():
            try:
                named_options(loss)
            except ValueError as error:
                raise InputError(
                    f"more_losses={error}", argument="more_losses"
                ) from None

    def _check_folds(self):
        folds, fold = self.folds, self.fold
        if folds == 1:
            raise InputError(
                "folds=1: expected at least 2, or 0 for none", argument="folds"
            )
        if not folds and fold is not None:
            raise InputError(
                f"fold={fold} needs `folds`, into how many the cases are divided",
                argument="fold",
            )
        if fold is not None and fold >= folds:
            raise InputError(
                f"fold={fold}: expected 0 to {folds - 1} with `folds={folds}`",
                argument="fold",
            )

    def with_values(self, **values):
        """A config with other values, and with branch and supervision that fit them.

        Where `values` say nothing of it, the branch has at most the resolutions of the
        network below the finest, and there is none if there is no noisy mask, or if the
        network predicts noise. Deep supervision follows likewise.

        Raises:
            InputError: a value is wrong.
        """
        none = {"mask_branch": None, "mask_output": "features"}
        changed = dataclasses.replace(self, **values | none)
        most = len(changed.num_channels) - 1
        branch = () if changed.lacks_mask_branch else (self.mask_branch or ())[:most]
        branch = values.get("mask_branch", branch)
        sees_image_alone = branch or changed.strategy == "supervised"
        following: dict[str, Any] = {
            "mask_branch": branch,
            "mask_output": self.mask_output if branch else "features",
            "deep_supervision": min(
                self.deep_supervision, most * bool(sees_image_alone)
            ),
        }
        following |= {name: values[name] for name in following if name in values}
        return dataclasses.replace(changed, **following)

    @property
    def lacks_mask_branch(self):
        """Why the network cannot have a mask branch, or an empty text."""
        if self.strategy == "supervised":
            return "`strategy=supervised` has no noisy mask"
        if self.model_output == "noise":
            return "`model_output=noise` is finer than what the branch sees"
        return ""

    def to_json(self):
        """The values as JSON text, one per line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, path):
        """Reads the output of `to_json`; raises InputError if it cannot."""
        try:
            return cls(**json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is not the config of a run: {error}") from error

    def pipeline_arguments(self):
        """The values that `tf_diffseg.data.training_dataset` takes by name."""
        return part_values(self, "pipeline", "augmentation")

    def model_arguments(self):
        """The values that `DiffusionUNet3D` takes by name."""
        return part_values(self, *_MODEL_PARTS)
