"""Checks the address of the dispatcher of a `tf.data` service."""

import re
import socket

from tf_diffseg.errors import InputError

_ADDRESS = re.compile(r"grpc://(?P<host>\[[^\]]+\]|[^:/\[\]]+):(?P<port>\d+)")
_PATIENCE_S = 20.0


def check_data_service(address):
    """Raises InputError unless something listens at `address`.

    TensorFlow would wait forever, without a message. An address is such as
    "grpc://localhost:5050".
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise InputError(
            f"data_service={address}: expected an address such as "
            "grpc://localhost:5050",
            argument="data_service",
        )
    place = match["host"].strip("[]"), int(match["port"])
    try:
        socket.create_connection(place, timeout=_PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"data_service={address}: no dispatcher answers there: {error}",
            argument="data_service",
        ) from error
