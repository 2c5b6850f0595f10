"""What a training run is made of, as one flat set of values."""

import dataclasses
import json
import numbers
import pathlib
import typing

from tf_diffseg.data.augmentation.options import OPTIONS, check_options
from tf_diffseg.errors import InputError
from tf_diffseg.runs.augmentation_config import AugmentationConfig

# Beyond it lie numbers that training, of 32 bits, takes for infinite.
_LARGEST = 3e38
_OF_TRAINING = (
    "patch_shape",
    "batch_size",
    "epochs",
    "learning_rate",
    "warmup_steps",
    "weight_decay",
    "gradient_clip",
    "validation_frequency",
    "schedule",
    "ema",
    "accumulation_steps",
    "precision",
    "jit",
    "deterministic",
    "keep_checkpoints",
    "checkpoint_steps",
    "early_stopping",
    "mask_encoding",
    "validation_pictures",
    "init_from",
    "freeze",
)
_OF_PIPELINE = (
    "patches_per_volume",
    "foreground_share",
    "balance_classes",
    "remainder",
)
# Closed choices; the library's enums hold the same values.
CHOICES = {
    "strategy": (
        "supervised",
        "diffusion",
        "recycling",
        "recycling_from_last",
        "recycling_by_reverse_step",
        "recycling_from_last_by_reverse_step",
        "self_conditioning",
        "self_conditioning_from_next",
    ),
    "timestep_sampling": ("uniform", "loss"),
    "model_variance": ("fixed_small", "fixed_large", "learned", "learned_range"),
    "beta_schedule": ("linear", "quadratic", "cosine", "warmup10", "warmup50"),
    "model_output": ("x_start", "noise"),
    "sampler": ("ddim", "ddpm"),
    "remainder": ("drop", "pad"),
    "schedule": ("cosine", "constant"),
    "precision": ("float32", "mixed_float16", "mixed_bfloat16"),
    "jit": ("auto", "on", "off"),
    "skip": ("add", "concat"),
    "norm": ("instance", "channel"),
    "mask_encoding": ("auto", "exclusive", "overlapping"),
    "freeze": ("none", "encoder"),
}


def _value(default, help_text, at_least=None, at_most=None, length=None):
    metadata = {
        "help": help_text,
        "at_least": at_least,
        "at_most": at_most,
        "length": length,  # Of a tuple; None where any will do.
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class TrainConfig(AugmentationConfig):
    """Values of a training run; each is a flag of `experiments.train` as well."""

    patch_shape: tuple[int, ...] = _value(
        (48, 48, 48),
        "Voxels of the random patches that are trained on: x,y,z. Volumes are "
        "segmented whole, so their own shape is best where memory allows.",
        at_least=1,
        length=3,
    )
    batch_size: int = _value(2, "Patches in a batch, over all devices.", at_least=1)
    epochs: int = _value(10, "Passes over the training cases.", at_least=1)
    learning_rate: float = _value(
        3e-3, "Highest learning rate; see schedule.", at_least=0
    )
    schedule: str = _value(
        "cosine", "What the learning rate does once it has risen: decay to 0 or stay."
    )
    warmup_steps: int = _value(
        50, "Steps of linear rise to the learning rate.", at_least=0
    )
    weight_decay: float = _value(
        1e-4, "Weight decay of AdamW; norms and biases do not decay.", at_least=0
    )
    gradient_clip: float = _value(
        1.0,
        "Largest norm of the gradient of all weights together; 0 for no limit.",
        at_least=0,
    )
    ema: float = _value(
        0.0,
        "Momentum of a moving average of the weights, such as 0.999, that validation, "
        "evaluation and export use; 0 for none.",
        at_least=0,
        at_most=0.99999,
    )
    accumulation_steps: int = _value(
        1,
        "Parts that a device works through its batch in, to take less memory; the "
        "result is that of the whole batch.",
        at_least=1,
    )
    precision: str = _value("float32", "What the network computes in.")
    jit: str = _value(
        "auto", "Whether XLA compiles the step: auto does on GPUs and not on CPUs."
    )
    deterministic: bool = _value(
        False, "Whether to use operations alone that repeat bit by bit; slower on GPUs."
    )
    keep_checkpoints: int = _value(
        2, "How many checkpoints stay, beside the best.", at_least=1
    )
    checkpoint_steps: int = _value(
        0,
        "Steps from one checkpoint to the next within an epoch; 0 for ends of epochs "
        "alone.",
        at_least=0,
    )
    patches_per_volume: int = _value(
        1, "Patches of each case in an epoch, cut once it is decoded.", at_least=1
    )
    foreground_share: float = _value(
        0.33,
        "Share of the patches that are centred on foreground, where volumes are "
        "larger than patches.",
        at_least=0,
        at_most=1,
    )
    balance_classes: bool = _value(
        False, "Whether patches on foreground are on each class alike."
    )
    remainder: str = _value(
        "drop",
        "What becomes of cases that do not fill the last batch of an epoch: drop "
        "leaves them out, others each time; pad fills it with cases already seen.",
    )
    validation_frequency: int = _value(
        5, "Epochs from one validation to the next.", at_least=1
    )
    early_stopping: int = _value(
        0,
        "Validations in a row without a better Dice that end the run; 0 for never.",
        at_least=0,
    )
    validation_pictures: int = _value(
        2,
        "Validation cases that are drawn for TensorBoard at each validation.",
        at_least=0,
    )
    seed: int = _value(
        0,
        "Seed of weights, order of cases, patches and noise.",
        at_least=0,
        at_most=2**31 - 1,
    )

    init_from: str = _value(
        "",
        "Weights to start a new run from, as far as they fit: a run folder, a .keras "
        "or .weights.h5 file, the folder of an exported version, or the name of a "
        "model that comes with the package, such as hippocampus.",
    )
    freeze: str = _value(
        "none",
        "What stays as it was taken by init_from: encoder for the way down and what is "
        "coarsest.",
    )

    strategy: str = _value("recycling", "What the network is trained on.")
    mask_encoding: str = _value(
        "auto",
        "Whether each voxel has one class, or the regions that the data declare "
        "overlap; auto goes by whether they declare any.",
    )
    num_timesteps: int = _value(5, "Diffusion steps of training and of sampling.")
    num_timesteps_beta: int = _value(1001, "Steps that the schedule is defined over.")
    beta_schedule: str = _value("linear", "Noise schedule.")
    beta_start: float = _value(1e-4, "Beta of the schedule's first step.", at_least=0)
    beta_end: float = _value(0.02, "Beta of the schedule's last step.", at_least=0)
    timestep_sampling: str = _value(
        "uniform", "Train on all steps alike, or more on those of larger loss."
    )
    model_output: str = _value("x_start", "What the network predicts.")
    model_variance: str = _value(
        "fixed_small", "Variance of DDPM's steps; learned needs variational_weight."
    )
    sampler: str = _value("ddim", "Sampler of validation.")
    eta: float = _value(
        0.0,
        "Noise that DDIM draws, as a share of DDPM's standard deviation.",
        at_least=0,
        at_most=1,
    )
    dice_weight: float = _value(1.0, "Weight of the Dice loss.", at_least=0)
    cross_entropy_weight: float = _value(
        1.0, "Weight of the cross-entropy.", at_least=0
    )
    focal_weight: float = _value(0.0, "Weight of the focal loss.", at_least=0)
    focal_gamma: float = _value(2.0, "Exponent of the focal loss.", at_least=0)
    noise_weight: float = _value(
        1.0, "Weight of the error of predicted noise.", at_least=0
    )
    variational_weight: float = _value(
        0.0, "Weight of the variational bound, in bits per dimension.", at_least=0
    )

    num_channels: tuple[int, ...] = _value(
        (16, 32, 64, 128), "Features at each resolution, finest first.", at_least=1
    )
    num_blocks: tuple[int, ...] | None = _value(
        None, "Residual blocks at each resolution; by default 1,2,2,...", at_least=1
    )
    kernel_size: tuple[int, ...] = _value(
        (3, 3, 3), "Convolution kernel: x,y,z.", at_least=1, length=3
    )
    patch_size: tuple[int, ...] = _value(
        (1, 1, 1),
        "Voxels that one finest feature stands for: x,y,z.",
        at_least=1,
        length=3,
    )
    scale_factor: tuple[int, ...] = _value(
        (2, 2, 2), "Between one resolution and the next: x,y,z.", at_least=1, length=3
    )
    num_heads: int = _value(
        4, "Attention heads at the coarsest resolution, or 0.", at_least=0
    )
    skip: str = _value("add", "How skip connections join.")
    norm: str = _value(
        "instance",
        "What features are normalised over: the volume that the network is shown, or "
        "the channels of each voxel, by which windows agree with a whole volume.",
    )
    dropout: float = _value(
        0.0, "Share of features dropped inside a block.", at_least=0
    )
    remat: bool = _value(
        False,
        "Whether training computes features inside blocks again for the gradient "
        "rather than keeping them: less memory for one more forward pass.",
    )

    def __post_init__(self):
        """Turns lists into tuples; raises InputError where a value is a wrong one."""
        types = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and type(None) in typing.get_args(types[field.name]):
                continue
            value = _convert(field, types[field.name], value)
            _check_range(field, value)
            object.__setattr__(self, field.name, value)
        if self.freeze != "none" and not self.init_from:
            raise InputError(
                f"freeze={self.freeze} needs init_from: weights that are drawn at "
                "random would stay so"
            )
        try:
            check_options(self.augmentation())
        except ValueError as error:
            raise InputError(str(error)) from error

    def to_json(self):
        """The values as JSON text, one a line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, path):
        """Reads what `to_json` wrote; raises InputError where it cannot."""
        try:
            return cls(**json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is not the config of a run: {error}") from error

    def pipeline_arguments(self):
        """Those values that `tf_diffseg.data.training_dataset` takes by name."""
        return {name: getattr(self, name) for name in (*_OF_PIPELINE, *OPTIONS)}

    def model_arguments(self):
        """Those values that `DiffusionUNet3D` takes, under its names."""
        others = (*_OF_TRAINING, *_OF_PIPELINE, *OPTIONS)
        values = dataclasses.asdict(self)
        return {name: v for name, v in values.items() if name not in others}


def _convert(field, kind, value):
    """The value as the field's type; raises InputError unless it is one."""
    convert: typing.Callable
    if kind is str:
        choices = CHOICES.get(field.name)
        if choices and value not in choices:
            raise InputError(
                f"{field.name} must be one of {', '.join(choices)}, got {value!r}"
            )
        expected, fits, convert = "text", isinstance(value, str), str
    elif kind is bool:
        expected, fits, convert = "true or false", isinstance(value, bool), bool
    elif kind is int:
        expected, fits, convert = "a whole number", _is_whole(value), int
    elif kind is float:
        fits = isinstance(value, numbers.Real) and not isinstance(value, bool)
        fits = fits and abs(value) <= _LARGEST
        expected, convert = "a finite number of 32 bits", float
    else:
        length = field.metadata["length"]
        expected, convert = f"{length or 'some'} whole numbers", _integers
        fits = isinstance(value, (tuple, list)) and all(map(_is_whole, value))
        fits = fits and len(value) == (length or max(len(value), 1))
    if not fits:
        raise InputError(f"{field.name} must be {expected}, got {value!r}")
    return convert(value)


def _is_whole(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _integers(values):
    return tuple(int(value) for value in values)


def _check_range(field, value):
    values = value if isinstance(value, tuple) else (value,)
    at_least, at_most = field.metadata["at_least"], field.metadata["at_most"]
    if at_least is not None and min(values) < at_least:
        raise InputError(f"{field.name} must be at least {at_least}, got {value}")
    if at_most is not None and max(values) > at_most:
        raise InputError(f"{field.name} must be at most {at_most}, got {value}")
