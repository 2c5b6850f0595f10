"""Floating point operations of a network or a training step, counted in its graph."""

import math


def graph_flops(graph):
    """Operations of the convolutions and matrix products of a graph.

    A multiplication and an addition count as two. Everything else (norms,
    activations, sums) is not counted, though it takes time: the rate that follows
    is that of the useful arithmetic.

    Args:
        graph: a `tf.Graph` of known shapes.

    Returns:
        Number of operations.
    """
    return sum(_operation_flops(operation) for operation in graph.get_operations())


def _operation_flops(operation):
    if operation.type == "Conv3D":
        # Each output voxel is a product with the kernel: (x, y, z, in, out).
        voxels = operation.outputs[0].shape[:-1].num_elements()
        return 2 * voxels * operation.inputs[1].shape.num_elements()
    if operation.type == "Conv3DBackpropInputV2":
        # A transposed convolution, or the gradient of one that is not: each input
        # voxel is spread with the kernel.
        voxels = operation.inputs[2].shape[:-1].num_elements()
        return 2 * voxels * operation.inputs[1].shape.num_elements()
    if operation.type == "Conv3DBackpropFilterV2":
        # The gradient of a kernel (x, y, z, in, out): each output voxel adds to all.
        voxels = operation.inputs[2].shape[:-1].num_elements()
        return 2 * voxels * operation.outputs[0].shape.num_elements()
    if operation.type in ("MatMul", "BatchMatMulV2"):
        transposed = operation.get_attr(
            "transpose_a" if operation.type == "MatMul" else "adj_x"
        )
        left = operation.inputs[0].shape
        shared = left[-2] if transposed else left[-1]
        return 2 * math.prod(operation.outputs[0].shape) * shared
    if operation.type == "Einsum":
        return _einsum_flops(operation)
    return 0


def _einsum_flops(operation):
    equation = operation.get_attr("equation").decode()
    sizes = {}
    for labels, tensor in zip(
        equation.split("->")[0].split(","), operation.inputs, strict=True
    ):
        sizes.update(zip(labels, tensor.shape, strict=True))
    return 2 * math.prod(sizes.values())
