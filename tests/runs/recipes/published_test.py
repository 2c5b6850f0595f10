"""Every recipe converts and trains data in the layout of its download."""

import dataclasses
import itertools
import json

import pytest

from experiments.flags.config_file import load_config
from tests.data_tools.datasets.made_downloads import make_download
from tests.data_tools.in_process import convert_by_flags
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.runs.evaluation import evaluate_run
from tf_diffseg.runs.recipes.published import RECIPES, comparison
from tf_diffseg.runs.run_plan import plan_run
from tf_diffseg.runs.training import dry_run, train

# What a small machine takes for the sizes of the publication.
_SMALL = {
    "batch_size": 2,
    "accumulation_steps": 1,
    "epochs": 1,
    "patches_per_volume": 1,
    "num_channels": (4, 8),
    "num_blocks": None,
    "precision": "float32",
    "remat": False,
}
_VARIANTS = [
    (name, dimensions, diffusion)
    for name, recipe in RECIPES.items()
    for dimensions, diffusion in itertools.product(recipe.dimensions, (True, False))
]


@pytest.fixture(scope="module")
def shards_of(tmp_path_factory):
    """Function from the name of a recipe to converted data."""
    made = {}

    def shards(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            flags = (flag.strip("-") for flag in RECIPES[name].preprocessing)
            flags = dict(flag.partition("=")[::2] for flag in flags)
            flags = {flag: value or "true" for flag, value in flags.items()}
            convert_by_flags(
                dataset=name,
                source_dir=make_download(name, folder / "download"),
                output_dir=folder / "shards",
                **flags,
            )
            made[name] = folder / "shards"
        return made[name]

    return shards


def _config(name, dimensions, diffusion):
    options = f"dimensions={dimensions},diffusion={diffusion}"
    return load_config(f"{RECIPES[name].config}:{options}")


@pytest.mark.parametrize("name", RECIPES)
def test_a_download_converts_and_fits_its_configs(name, shards_of, tmp_path):
    data_dir = shards_of(name)
    manifest = read_manifest(data_dir)
    assert set(manifest.splits) == {"train", "validation", "test"}
    assert manifest.dataset == name
    assert not [w for w in manifest.warnings if w["kind"].startswith("class")]
    for dimensions, diffusion in itertools.product(
        RECIPES[name].dimensions, (True, False)
    ):
        config = _config(name, dimensions, diffusion)
        assert (config.patch_shape[2] == 1) == (dimensions == 2)
        assert (config.strategy == "supervised") != diffusion
        # The published batch is larger than this training set.
        plan_run(dataclasses.replace(config, batch_size=1), data_dir, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("name, dimensions, diffusion", _VARIANTS)
def test_a_recipe_takes_two_steps(name, dimensions, diffusion, shards_of, tmp_path):
    config = _config(name, dimensions, diffusion)
    patch_shape = (16, 16, 8 if dimensions == 3 else 1)
    config = config.with_values(patch_shape=patch_shape, **_SMALL)
    config = dataclasses.replace(config, num_heads=min(config.num_heads, 2))
    dry_run(config, shards_of(name), tmp_path / "run")


@pytest.mark.parametrize("config", ["amos_ct", "msd_hippocampus", "muscle_us"])
def test_other_dimensions_are_refused(config):
    with pytest.raises(InputError, match=f"--config={config}:dimensions=1: dimensions"):
        load_config(f"{config}:dimensions=1")


def test_figures_stand_beside_the_published_ones():
    classes = {"a": {"hd95_mm": 2.0}, "b": {"hd95_mm": 4.0}, "c": {"hd95_mm": None}}
    summary = {"mean_foreground_dice": 0.7654, "num_cases": 90, "classes": classes}
    table = comparison(RECIPES["amos_ct"], {(2, True): summary}).splitlines()
    (row,) = [line for line in table if line.startswith("2d diffusion")]
    assert row.split()[2:] == ["0.765", "0.769", "3.000", "12.039", "90"]
    assert len(table) == 6 and "arXiv 2303.06040" in table[-1]
    nothing = {"mean_foreground_dice": None, "num_cases": 1, "classes": {}}
    (row,) = comparison(RECIPES["muscle_us"], {(2, True): nothing}).splitlines()[1:-1]
    assert row.split()[2:] == ["-", "-", "-", "-", "1"]


@pytest.mark.slow
def test_slices_are_trained_on_validated_and_scored(shards_of, tmp_path):
    """The scores are those of whole volumes."""
    config = _config("hippocampus", 2, True).with_values(
        **_SMALL | {"patches_per_volume": 4},
        num_heads=0,
        validation_frequency=1,
        learning_rate=0.01,
        warmup_steps=0,
    )
    data_dir = shards_of("hippocampus")
    run = train(config, data_dir, tmp_path / "run")
    (epoch,) = (run.path / "metrics.jsonl").read_text().splitlines()
    assert 0.0 <= json.loads(epoch)["val_dice"] <= 1.0
    assert list((run.path / "pictures").glob("*.png"))
    scores = evaluate_run(run.path, data_dir, batch_size=8)
    uids = read_manifest(data_dir).split("test").uids
    assert [case.uid for case in scores] == uids
    assert all(0.0 <= case.mean_dice <= 1.0 for case in scores)
