"""Prints by how many bytes a step raises the peak memory.

`remat` asks for remat, a number for so many examples, in as many parts with `parts`.
"""

import sys

import tensorflow as tf

from experiments.benchmarks.peak_memory import peak_bytes
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D


def main():
    """Takes one step."""
    model = SegmentationUNet3D(
        2,
        num_channels=(16,),
        num_blocks=(3,),
        num_heads=0,
        remat="remat" in sys.argv,
    )
    size = next((int(text) for text in sys.argv if text.isdigit()), 1)
    model.compile("sgd", accumulation_steps=size if "parts" in sys.argv else 1)
    shape = [size, 64, 64, 64]
    batch = {"image": tf.zeros([*shape, 1]), "label": tf.zeros(shape)}
    before = peak_bytes()
    tf.function(model.train_step)(batch)
    print(peak_bytes() - before)


if __name__ == "__main__":
    main()
