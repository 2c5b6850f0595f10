"""Clients of a TF Serving server that holds an exported model.

client = GrpcClient("host:8500", "hippocampus")
result = client.segment_nifti(pathlib.Path("image.nii.gz").read_bytes())
result["label"]  # int32 [i, j, k]

Needs tensorflow-serving-api: `pip install 'tf_diffseg[serving]'`.
"""

import abc
import base64
import contextlib
import json
import logging

import numpy as np

# Volumes exceed gRPC's default limit of 4 MB.
_UNLIMITED = -1
# A request is kept up to this size, to be sent again. gRPC's default is 256 KB, less
# than one volume, so nothing would ever be sent again.
_RETRY_BUFFER_BYTES = 2**31 - 1
_NUM_TRIES = 5
_FIRST_WAIT_S = 0.5
# HTTP status codes of a server that can be asked again.
_UNAVAILABLE = (502, 503, 504)


class ServerError(RuntimeError):
    """A server that cannot be reached, or its refusal of a request.

    Attributes:
        code: name of the gRPC status, or number of the HTTP status.
    """

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


class _Client(contextlib.AbstractContextManager):
    def __init__(self, server, model, version=None, timeout_s=600.0):
        self.server = server
        self.model = model
        self.version = version
        self.timeout_s = timeout_s

    def segment_nifti(self, contents, seed=0):
        """Segments a file.

        Args:
            contents: the bytes of a .nii or .nii.gz file.
            seed: seed of the sampling noise; the same seed gives the same label map.

        Returns:
            Dict of `label`, int32 [i, j, k], label values; `affine`, float32 [4, 4];
            and `label_values`, int32 [class ids].

        Raises:
            ServerError: the server refuses the file, or does not answer in time.
        """
        seeds = np.array([seed], np.int32)
        outputs = self.predict("segment_nifti", {"contents": [contents], "seed": seeds})
        types = {"label": np.int32, "affine": np.float32, "label_values": np.int32}
        return {
            name: np.asarray(outputs[name], dtype)[0] for name, dtype in types.items()
        }

    @abc.abstractmethod
    def predict(self, signature, inputs):
        """Runs a signature; see the clients."""

    @abc.abstractmethod
    def close(self):
        """Ends the connection."""

    def _error(self, text, code):
        text = " ".join(text.split())
        return ServerError(f"{self.server}, model {self.model}: {text}", code)

    def __exit__(self, *error):
        self.close()


class GrpcClient(_Client):
    """A client over gRPC.

    If a server is not there yet or has too many requests, the client asks again, at
    most four times.

    Args:
        server: host:port.
        model: name of the model.
        version: version of the model; None for the newest.
        timeout_s: seconds for all tries of a request together.
    """

    def __init__(self, server, model, version=None, timeout_s=600.0):
        super().__init__(server, model, version, timeout_s)
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        options = {
            "grpc.max_send_message_length": _UNLIMITED,
            "grpc.max_receive_message_length": _UNLIMITED,
            "grpc.enable_retries": 1,
            "grpc.per_rpc_retry_buffer_size": _RETRY_BUFFER_BYTES,
            "grpc.service_config": json.dumps(_retry_policy()),
        }
        self._channel = grpc.insecure_channel(server, options=list(options.items()))
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def predict(self, signature, inputs):
        """Runs a signature.

        Args:
            signature: its name.
            inputs: dict from input to array, or to list of bytes.

        Returns:
            Dict from output to array.

        Raises:
            ServerError: the server refuses the request, or does not answer in time.
        """
        import grpc
        import tensorflow as tf

        from tf_diffseg.serving.warmup import predict_request

        request = predict_request(self.model, signature, inputs, self.version)
        try:
            response = self._stub.Predict(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            code, text = error.code().name, error.details()
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                text = f"no answer within {self.timeout_s:g} s: is there a server?"
            raise self._error(f"{code}: {text}", code) from None
        return {
            name: tf.make_ndarray(proto) for name, proto in response.outputs.items()
        }

    def close(self):
        """Ends the connection."""
        self._channel.close()


class RestClient(_Client):
    """A client over HTTP, with JSON and files in base64.

    It is slower than gRPC and needs several times the memory, because numbers become
    text. It asks again as `GrpcClient` does.

    Args:
        server: `http://host:port`, or host:port.
        model: name of the model.
        version: version of the model; None for the newest.
        timeout_s: seconds for each try of a request.
    """

    def __init__(self, server, model, version=None, timeout_s=600.0):
        super().__init__(server, model, version, timeout_s)
        import requests
        from urllib3.util import Retry

        address = server if "://" in server else f"http://{server}"
        version_path = "" if version is None else f"/versions/{version}"
        self._url = f"{address}/v1/models/{model}{version_path}:predict"
        # It warns of each further try, at length; the error at the end says enough.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        retry = Retry(
            total=_NUM_TRIES - 1,
            read=False,  # The deadline holds, and a lost answer may have cost much.
            backoff_factor=_FIRST_WAIT_S,
            status_forcelist=_UNAVAILABLE,
            # POST too: a prediction changes nothing.
            allowed_methods=None,
            raise_on_status=False,
        )
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(
                scheme, requests.adapters.HTTPAdapter(max_retries=retry)
            )

    def predict(self, signature, inputs):
        """As `GrpcClient.predict`, but gives nested lists in place of arrays."""
        import requests

        body = {
            "signature_name": signature,
            "inputs": {name: _to_json(value) for name, value in inputs.items()},
        }
        try:
            response = self._session.post(self._url, json=body, timeout=self.timeout_s)
        except requests.Timeout:
            text = f"no answer within {self.timeout_s:g} s"
            raise self._error(text, "DEADLINE_EXCEEDED") from None
        except requests.exceptions.InvalidJSONError as error:
            text = f"expected finite numbers: {error}"
            raise self._error(text, "INVALID_ARGUMENT") from None
        except requests.RequestException as error:
            raise self._error(
                f"no connection: {_cause(error)}", "UNAVAILABLE"
            ) from None
        try:
            answer = response.json()
        except ValueError:
            answer = {"error": response.text[:500]}
        if response.status_code != requests.codes.ok or "outputs" not in answer:
            text = answer.get("error", "an answer without outputs")
            code = response.status_code
            raise self._error(f"HTTP {code}: {text}", str(code))
        return answer["outputs"]

    def close(self):
        """Ends the connection."""
        self._session.close()


def _cause(error):
    """The reason of an error of requests, which repeats it in layers of names."""
    while True:
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        if not isinstance(inner, Exception):
            return str(error).rsplit(": ", 1)[-1] or type(error).__name__
        error = inner


def _retry_policy():
    """When gRPC sends a request again."""
    service = "tensorflow.serving.PredictionService"
    policy = {
        "maxAttempts": _NUM_TRIES,
        "initialBackoff": f"{_FIRST_WAIT_S}s",
        "maxBackoff": "10s",
        "backoffMultiplier": 2,
        # The server is not there yet, or its queue is full. Other errors would recur.
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {"methodConfig": [{"name": [{"service": service}], "retryPolicy": policy}]}


def _to_json(value):
    """TF Serving's form of an array, or of a list of bytes."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [{"b64": base64.b64encode(part).decode("ascii")} for part in value]
