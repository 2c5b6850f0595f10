"""Prints by how many bytes a step raises the peak memory; `remat` asks for remat."""

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
        remat=sys.argv[1:] == ["remat"],
    )
    model.compile("sgd")
    batch = {"image": tf.zeros([1, 64, 64, 64, 1]), "label": tf.zeros([1, 64, 64, 64])}
    before = peak_bytes()
    tf.function(model.train_step)(batch)
    print(peak_bytes() - before)


if __name__ == "__main__":
    main()
