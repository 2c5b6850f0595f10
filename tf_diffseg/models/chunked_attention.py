"""Attention that holds only some pairs of tokens at a time.

Rabe and Staats 2021 (arXiv 2112.05682): queries are taken in chunks, one after the
other, and the gradient computes the weights of each chunk again. The result is that of
attention over all pairs at once, up to rounding.
"""

import math

import keras
from keras import ops

# Pairs of a query and a key that are held at once, over the heads of an example: 16 MiB
# in float32. Measured with two examples of four heads on a CPU: a gradient of 4096
# tokens holds 210 MiB, and 2217 MiB with all pairs at once, in the same time. Four
# times smaller chunks hold 103 MiB, but take 1.4 times as long for 8192 tokens.
CHUNK_PAIRS = 2**22


class ChunkedAttention(keras.layers.MultiHeadAttention):
    """Multi-head attention that takes queries in chunks if there are many tokens.

    All pairs are held at once if they are at most `CHUNK_PAIRS`: for four heads, up to
    1024 tokens. If the number of tokens is not known before the graph runs, there is
    one chunk for so few. Where Keras has a kernel that holds no pairs at all (JAX and
    PyTorch on GPUs, in half precision), it takes the place of the chunks.

    Masks, dropout and returned weights need all pairs: Keras's own code sees to them.
    """

    def _compute_attention(
        self, query, key, value, attention_mask=None, training=None, *others, **named
    ):
        """As Keras's, which is made to be replaced."""
        drops = bool(self.dropout and training)
        if attention_mask is not None or drops or any((*others, *named.values())):
            others = (attention_mask, training, *others)
            return super()._compute_attention(query, key, value, *others, **named)
        num_tokens = query.shape[1]
        if num_tokens is None or self.num_heads * num_tokens**2 > CHUNK_PAIRS:
            mixed = _by_flash_kernel(query, key, value)
            if mixed is None:
                mixed = chunked_attention(query, key, value)
            return mixed, None
        return super()._compute_attention(query, key, value, training=training)


def _by_flash_kernel(query, key, value):
    """As `chunked_attention`; None if the backend has no kernel for these tokens."""
    try:
        return ops.dot_product_attention(query, key, value, flash_attention=True)
    except (ImportError, NotImplementedError, RuntimeError, ValueError):
        return (
            None  # TensorFlow has none, the others on some devices and for some types.
        )


def chunked_attention(query, key, value):
    """Mean of the values, weighted by the softmax of the scaled products.

    Args:
        query: [batch, tokens, heads, channels].
        key: [batch, tokens, heads, channels].
        value: [batch, tokens, heads, channels].

    Returns:
        [batch, tokens, heads, channels], in the precision of the arguments.
    """
    heads_first = [ops.swapaxes(tokens, 1, 2) for tokens in (query, key, value)]
    return ops.swapaxes(_attention(*heads_first), 1, 2)


@ops.custom_gradient
def _attention(query, key, value):
    """As `chunked_attention`, of [batch, heads, tokens, channels]."""
    # Both are transposed once, and not in every chunk.
    keys, values = _transposed(key), _transposed(value)

    def attend(chunk):
        return ops.matmul(_weights(chunk, keys), value), ()

    outputs, _ = _replace_chunks(attend, query)

    def gradient(*inputs, upstream=None):
        upstream = inputs[-1] if upstream is None else upstream

        def differentiate(chunk, of_keys, of_values):
            query, upstream = ops.split(chunk, 2, axis=-1)
            weights = _weights(query, keys)
            of_weights = ops.matmul(upstream, values)
            of_products = _products_gradient(query, weights, of_weights)
            of_query = ops.matmul(of_products, key)
            sums = (
                ops.add(of_keys, ops.matmul(_transposed(query), of_products)),
                ops.add(of_values, ops.matmul(_transposed(upstream), weights)),
            )
            return ops.concatenate([of_query, upstream], axis=-1), sums

        of_query, of_others = _replace_chunks(
            differentiate,
            ops.concatenate([query, upstream], axis=-1),
            # A sum over all chunks needs more than half precision.
            ops.zeros_like(keys, dtype="float32"),
            ops.zeros_like(values, dtype="float32"),
        )
        of_key, of_value = (ops.cast(_transposed(x), query.dtype) for x in of_others)
        return of_query[..., : query.shape[-1]], of_key, of_value

    return outputs, gradient


def _weights(queries, keys):
    """Weights [batch, heads, size, tokens] of the keys for the queries of a chunk."""
    products = ops.cast(ops.matmul(queries, keys), "float32")
    return ops.cast(ops.softmax(products * _scale(queries)), keys.dtype)


def _products_gradient(queries, weights, of_weights):
    """Gradient of the products of queries and keys."""
    weights, of_weights = (ops.cast(x, "float32") for x in (weights, of_weights))
    mean = ops.sum(of_weights * weights, axis=-1, keepdims=True)
    return ops.cast(weights * (of_weights - mean) * _scale(queries), queries.dtype)


def _scale(queries):
    return 1.0 / math.sqrt(queries.shape[-1])


def _transposed(matrices):
    return ops.swapaxes(matrices, -1, -2)


def _replace_chunks(function, tokens, *sums):
    """Replaces each chunk of tokens by its result, one after the other.

    Args:
        function: maps a chunk [batch, heads, size, channels] and the sums so far to a
            chunk of the same shape and the next sums.
        tokens: [batch, heads, tokens, channels].
        *sums: what the sums begin with.

    Returns:
        `(tokens, sums)`.
    """
    chunks = _split(tokens)
    number = ops.shape(chunks)[0]

    def body(index, chunks, *sums):
        # A chunk is read from what the chunk before it was written to. Otherwise
        # TensorFlow works on many chunks at once, and holds the pairs of all of them.
        chunk, sums = function(ops.take(chunks, index, axis=0), *sums)
        return index + 1, ops.scatter_update(chunks, [[index]], chunk[None]), *sums

    _, chunks, *sums = ops.while_loop(
        lambda index, *_: index < number, body, (0, chunks, *sums), number
    )
    return _join(chunks, ops.shape(tokens)[2]), sums


def _split(tokens):
    """Splits `tokens` into [chunks, batch, heads, size, channels].

    The last chunk is filled up with zeros: queries whose upstream gradient is zero.
    """
    batch, heads, num_tokens, channels = ops.shape(tokens)
    number = -(-num_tokens // (1 + CHUNK_PAIRS // (heads * num_tokens)))
    size = -(-num_tokens // number)
    zeros = ops.zeros(
        (batch, heads, number * size - num_tokens, channels), tokens.dtype
    )
    tokens = ops.concatenate([tokens, zeros], axis=2)
    tokens = ops.reshape(tokens, (batch, heads, number, size, channels))
    return ops.transpose(tokens, (2, 0, 1, 3, 4))


def _join(chunks, num_tokens):
    """Undoes `_split`."""
    number, batch, heads, size, channels = ops.shape(chunks)
    tokens = ops.transpose(chunks, (1, 2, 0, 3, 4))
    tokens = ops.reshape(tokens, (batch, heads, number * size, channels))
    return tokens[:, :, :num_tokens]
