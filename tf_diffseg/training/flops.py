"""Floating point operations of a network or a training step, counted in its graph."""

import math

from tf_diffseg.training.graph_loops import loop_body, num_rounds


def graph_flops(graph):
    """Number of operations of the convolutions and matrix products of a graph.

    A multiplication and an addition count as two. All others (norms, activations,
    sums) do not count, though they take time.

    Args:
        graph: a `tf.Graph` of known shapes.
    """
    return sum(_operation_flops(operation) for operation in graph.get_operations())


def _operation_flops(operation):
    inputs, outputs = operation.inputs, operation.outputs
    # Each voxel of a tensor is a product with a kernel (x, y, z, in, out).
    convolutions = {
        "Conv3D": lambda: (outputs[0], inputs[1]),
        # A transposed convolution, or the gradient of a convolution's input.
        "Conv3DBackpropInputV2": lambda: (inputs[2], inputs[1]),
        "Conv3DBackpropFilterV2": lambda: (inputs[2], outputs[0]),
    }
    if operation.type in convolutions:
        voxels, kernel = convolutions[operation.type]()
        return 2 * voxels.shape[:-1].num_elements() * kernel.shape.num_elements()
    if operation.type in ("MatMul", "BatchMatMulV2"):
        transposed = operation.get_attr(
            "transpose_a" if operation.type == "MatMul" else "adj_x"
        )
        left = operation.inputs[0].shape
        shared = left[-2] if transposed else left[-1]
        return 2 * math.prod(operation.outputs[0].shape) * shared
    if operation.type == "Einsum":
        return _einsum_flops(operation)
    body = loop_body(operation)
    return num_rounds(operation) * graph_flops(body) if body else 0


def _einsum_flops(operation):
    equation = operation.get_attr("equation").decode()
    sizes = {}
    for labels, tensor in zip(
        equation.split("->")[0].split(","), operation.inputs, strict=True
    ):
        sizes.update(zip(labels, tensor.shape, strict=True))
    return 2 * math.prod(sizes.values())
