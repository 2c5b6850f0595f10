"""What a training run is made of, as one flat set of values."""

import dataclasses
import importlib.util
import json
import pathlib

from data_tools.errors import InputError

CONFIGS_DIR = pathlib.Path(__file__).parent / "configs"
_OF_TRAINING = (
    "patch_shape",
    "batch_size",
    "epochs",
    "learning_rate",
    "warmup_steps",
    "weight_decay",
    "gradient_clip",
    "validation_frequency",
)
_OF_AUGMENTATION = ("rotation_degrees", "zoom", "flip_axes")


def _value(default, help_text, at_least=None):
    metadata = {"help": help_text, "at_least": at_least}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Values of a training run; each is a flag of `experiments.train` as well."""

    patch_shape: tuple[int, ...] = _value(
        (48, 48, 48),
        "Voxels of the random patches that are trained on: x,y,z. Volumes are "
        "segmented whole, so their own shape is best where memory allows.",
        at_least=1,
    )
    batch_size: int = _value(2, "Patches in a batch, over all devices.", at_least=1)
    epochs: int = _value(10, "Passes over the training cases.", at_least=1)
    learning_rate: float = _value(
        3e-3, "Highest learning rate; decays to 0 by cosine.", at_least=0
    )
    warmup_steps: int = _value(
        50, "Steps of linear rise to the learning rate.", at_least=0
    )
    weight_decay: float = _value(1e-4, "Weight decay of AdamW.", at_least=0)
    gradient_clip: float = _value(
        1.0, "Largest norm of a weight's gradient.", at_least=0
    )
    rotation_degrees: float = _value(
        15.0, "Augmentation: largest rotation about each axis.", at_least=0
    )
    zoom: float = _value(
        0.15, "Augmentation: largest change of size, as a share.", at_least=0
    )
    flip_axes: str = _value(
        "", "Augmentation: axes to mirror, of xyz; RAS+, so x is left and right."
    )
    validation_frequency: int = _value(
        5, "Epochs from one validation to the next.", at_least=1
    )
    seed: int = _value(
        0, "Seed of weights, order of cases, patches and noise.", at_least=0
    )

    strategy: str = _value("recycling", "What the network is trained on.")
    num_timesteps: int = _value(5, "Diffusion steps of training and of sampling.")
    num_timesteps_beta: int = _value(1001, "Steps that the schedule is defined over.")
    beta_schedule: str = _value("linear", "Noise schedule.")
    model_output: str = _value("x_start", "What the network predicts.")
    sampler: str = _value("ddim", "Sampler of validation.")
    dice_weight: float = _value(1.0, "Weight of the Dice loss.", at_least=0)
    cross_entropy_weight: float = _value(
        1.0, "Weight of the cross-entropy.", at_least=0
    )
    focal_weight: float = _value(0.0, "Weight of the focal loss.", at_least=0)

    num_channels: tuple[int, ...] = _value(
        (16, 32, 64, 128), "Features at each resolution, finest first.", at_least=1
    )
    num_blocks: tuple[int, ...] | None = _value(
        None, "Residual blocks at each resolution; by default 1,2,2,...", at_least=1
    )
    kernel_size: tuple[int, ...] = _value(
        (3, 3, 3), "Convolution kernel: x,y,z.", at_least=1
    )
    patch_size: tuple[int, ...] = _value(
        (1, 1, 1), "Voxels that one finest feature stands for: x,y,z.", at_least=1
    )
    scale_factor: tuple[int, ...] = _value(
        (2, 2, 2), "Between one resolution and the next: x,y,z.", at_least=1
    )
    num_heads: int = _value(
        4, "Attention heads at the coarsest resolution, or 0.", at_least=0
    )
    skip: str = _value("add", "How skip connections join.")
    dropout: float = _value(
        0.0, "Share of features dropped inside a block.", at_least=0
    )

    def __post_init__(self):
        """Raises InputError where a value is too small."""
        for field in dataclasses.fields(self):
            value, at_least = getattr(self, field.name), field.metadata["at_least"]
            if value is None or at_least is None:
                continue
            smallest = min(value, default=0) if isinstance(value, tuple) else value
            if smallest < at_least:
                raise InputError(
                    f"{field.name} must be at least {at_least}, got {value}"
                )

    def to_json(self):
        """The values as JSON text, one a line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, path):
        """Reads what `to_json` wrote; raises InputError where it cannot."""
        try:
            values = json.loads(pathlib.Path(path).read_text())
            lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
            return cls(**{**values, **lists})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is not the config of a run: {error}") from error

    def augmentation(self):
        """Those values that `tf_diffseg.data.augment` takes, under its names."""
        return {name: getattr(self, name) for name in _OF_AUGMENTATION}

    def model_arguments(self):
        """Those values that `DiffusionUNet3D` takes, under its names."""
        others = (*_OF_TRAINING, *_OF_AUGMENTATION)
        values = dataclasses.asdict(self)
        return {name: v for name, v in values.items() if name not in others}


def load_config(name_or_file):
    """Runs `get_config()` of a config.

    Args:
        name_or_file: name of a module in experiments/configs, or path of a Python
            file.

    Returns:
        `TrainConfig`.

    Raises:
        InputError: there is no such config, or it defines no `get_config()`.
    """
    path = pathlib.Path(name_or_file)
    if path.suffix != ".py":
        path = CONFIGS_DIR / f"{name_or_file}.py"
    if not path.is_file():
        names = sorted(p.stem for p in CONFIGS_DIR.glob("[!_]*.py"))
        raise InputError(
            f"--config={name_or_file}: expected the path of a .py file or one of "
            f"{', '.join(names)}; there is no file {path}"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise InputError(f"--config={name_or_file}: {path} defines no get_config()")
    config = module.get_config()
    if not isinstance(config, TrainConfig):
        raise InputError(
            f"--config={name_or_file}: get_config() must return a TrainConfig, "
            f"got {type(config).__name__}"
        )
    return config
