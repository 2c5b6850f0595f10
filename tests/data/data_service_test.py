"""A dispatcher that does not answer is told of at once."""

import socket

import pytest

from tf_diffseg.data.data_service import check_data_service
from tf_diffseg.errors import InputError


def test_a_dispatcher_that_listens_is_accepted():
    with socket.create_server(("localhost", 0)) as server:
        check_data_service(f"grpc://localhost:{server.getsockname()[1]}")


def test_one_that_does_not_is_named():
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match=f"^data_service=grpc://localhost:{port}: no"):
        check_data_service(f"grpc://localhost:{port}")


@pytest.mark.parametrize(
    "address",
    ["localhost:5050", "grpc://", "nonsense://x", "grpc://localhost", "grpc://a:b"],
)
def test_what_is_no_address_is_named(address):
    with pytest.raises(InputError, match="expected an address such as grpc://localho"):
        check_data_service(address)


def test_a_port_beyond_all_is_named():
    with pytest.raises(InputError, match="no dispatcher answers there"):
        check_data_service("grpc://localhost:123456")
