"""A dispatcher that does not answer is named at once."""

import socket

import pytest

from tf_diffseg.data.data_service import check_data_service
from tf_diffseg.errors import InputError


def test_a_dispatcher_that_listens_is_accepted():
    with socket.create_server(("localhost", 0)) as server:
        check_data_service(f"grpc://localhost:{server.getsockname()[1]}")


def test_a_dispatcher_that_does_not_listen_is_named():
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match=f"^data_service=grpc://localhost:{port}: no"):
        check_data_service(f"grpc://localhost:{port}")


_NO_ADDRESS = "expected an address such as grpc://localho"


@pytest.mark.parametrize(
    "address, message",
    [
        ("localhost:5050", _NO_ADDRESS),
        ("grpc://", _NO_ADDRESS),
        ("nonsense://x", _NO_ADDRESS),
        ("grpc://localhost", _NO_ADDRESS),
        ("grpc://a:b", _NO_ADDRESS),
        ("grpc://localhost:123456", "no dispatcher answers there"),
    ],
)
def test_wrong_addresses_are_refused(address, message):
    with pytest.raises(InputError, match=message):
        check_data_service(address)
