"""Memory of a graph's tensors, estimated from their shapes."""

from tf_diffseg.training.graph_loops import loop_body

# Operations whose output is their input, or needs no memory of its own.
_ALIASES = (
    "ExpandDims",
    "Identity",
    "IdentityN",
    "PreventGradient",
    "ReadVariableOp",
    "Reshape",
    "Squeeze",
    "StopGradient",
)


def peak_bytes(graph):
    """Estimates the most bytes that tensors take at once, without weights.

    It assumes that operations run in order, and that each tensor is kept from the
    operation that returns it to the last one that uses it. TensorFlow runs independent
    operations at the same time and reuses some memory. A loop takes what one round of
    it takes.

    Args:
        graph: a `tf.Graph`; tensors of unknown shape do not count.
    """
    return _peak(graph, free_types=("ReadVariableOp", "Const"))


def _peak(graph, free_types):
    operations = graph.get_operations()
    last_use, buffer_of = {}, {}
    for index, operation in enumerate(operations):
        for tensor in operation.inputs:
            last_use[_buffer(tensor, buffer_of)] = index
        for number, tensor in enumerate(operation.outputs):
            if operation.type in _ALIASES and len(operation.inputs) > number:
                buffer_of[tensor.ref()] = _buffer(operation.inputs[number], buffer_of)
    freed_at = [[] for _ in operations]
    for buffer, index in last_use.items():
        freed_at[index].append(buffer)
    held = most = 0
    for index, operation in enumerate(operations):
        for tensor in operation.outputs:
            if tensor.ref() in last_use and tensor.ref() not in buffer_of:
                held += _size(tensor, free_types)
        body = loop_body(operation)
        # The loop itself holds what a round is given.
        inside = _peak(body, (*free_types, "Placeholder")) if body else 0
        most = max(most, held + inside)
        held -= sum(_size(buffer.deref(), free_types) for buffer in freed_at[index])
    return most


def _buffer(tensor, buffer_of):
    return buffer_of.get(tensor.ref(), tensor.ref())


def _size(tensor, free_types):
    is_data = tensor.dtype.is_floating or tensor.dtype.is_integer
    if not (is_data and tensor.shape.is_fully_defined()):
        return 0
    if tensor.op.type in free_types:
        return 0
    return tensor.shape.num_elements() * tensor.dtype.size
