"""Checkpoints that are damaged, of another program, or cannot be written."""

import contextlib
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.data_tools.full_disk import largest_file
from tests.training.toys import toy_model, validation_batches
from tf_diffseg.training.saving.checkpointing import Checkpointing, restore
from tf_diffseg.training.saving.checkpoints import (
    CheckpointError,
    checkpoint_place,
    list_checkpoints,
    save_checkpoint,
)


def _model(channels=4):
    return toy_model(
        keras.optimizers.AdamW(1e-2), strategy="supervised", num_channels=(channels,)
    )


def _epochs(folder):
    return [checkpoint_place(path).epoch for path in list_checkpoints(folder)]


def test_new_checkpoints_stay_if_all_later_ones_are_damaged(tmp_path):
    model = _model()
    for epoch in (5, 6):
        save_checkpoint(model, tmp_path, epoch).write_bytes(b"")
    lines = []
    assert restore(model, tmp_path, lines.append) == (0, 0)
    assert len(lines) == 2 and all("damaged; starting anew" in line for line in lines)
    for epoch in (1, 2):
        assert save_checkpoint(model, tmp_path, epoch).is_file()
    assert _epochs(tmp_path) == [1, 2]


@pytest.mark.parametrize("fault", ["foreign", "empty", "folder", "packing"])
def test_a_file_that_is_no_model_gives_way_to_the_checkpoint_before(tmp_path, fault):
    model = _model()
    save_checkpoint(model, tmp_path, 1)
    path = save_checkpoint(model, tmp_path, 2)
    content = path.read_bytes()
    path.unlink()
    if fault == "folder":
        path.mkdir()
    elif fault == "packing":
        # The byte of the zip directory that tells how the first part is packed.
        place = content.rindex(b"PK\x01\x02", 0, content.index(b"PK\x01\x02") + 4) + 10
        path.write_bytes(content[:place] + b"\x63" + content[place + 1 :])
    else:
        with zipfile.ZipFile(path, "w") as archive:
            if fault == "foreign":
                archive.writestr("word/document.xml", "a letter")
    lines = []
    assert restore(model, tmp_path, lines.append) == (1, 0)
    assert lines == [
        f"the checkpoint {path} is damaged; going on from epoch-00001.keras"
    ]


def test_a_checkpoint_of_another_model_is_named(tmp_path):
    path = save_checkpoint(_model(channels=6), tmp_path, 1)
    with pytest.raises(CheckpointError, match=f"{path.name} is of another model: "):
        restore(_model(), tmp_path)


def test_a_disk_that_is_full_is_one_line_and_leaves_what_was_there(tmp_path):
    model = _model()
    save_checkpoint(model, tmp_path, 1)
    message = "epoch 2: cannot write .*epoch-00002.keras: .*File too large"
    with largest_file(10_000), pytest.raises(CheckpointError, match=message):
        save_checkpoint(model, tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-00001.keras"]


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = _model()
    save_checkpoint(model, tmp_path, 1)
    callback = Checkpointing(tmp_path)
    callback.set_model(model)
    model.trainable_variables[0].assign_add(
        tf.fill(model.trainable_variables[0].shape, np.nan)
    )
    message = "weights are not finite, and not saved. The last good .*00001.keras"
    with pytest.raises(FloatingPointError, match=message):
        callback.on_epoch_end(1)
    assert _epochs(tmp_path) == [1]


def test_a_folder_that_was_not_restored_is_not_trained_into(tmp_path):
    model = _model()
    save_checkpoint(model, tmp_path, 3)
    message = "holds a run that came to epoch 3, and training would start after epoch 0"
    for callback, error in (
        (Checkpointing(tmp_path), pytest.raises(CheckpointError, match=message)),
        (Checkpointing(tmp_path, place=(3, 0)), contextlib.nullcontext()),
    ):
        with error:
            model.fit(
                validation_batches(9),
                initial_epoch=callback.place.epoch,
                epochs=4,
                steps_per_epoch=1,
                callbacks=[callback],
                verbose=0,
            )
    assert _epochs(tmp_path) == [3, 4]
