"""A server of one SavedModel with TF Serving's two interfaces, for tests.

    python -m tests.serving.model_server MODEL_DIR NAME [NUM_REFUSED]

It prints the ports of gRPC and REST and serves until stdin ends. Each interface refuses
the first NUM_REFUSED requests as if the server were busy.
"""

import base64
import concurrent.futures
import http.server
import json
import re
import sys
import threading

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
_UNLIMITED = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
]


class Model:
    """A SavedModel with a name and the version of its folder."""

    def __init__(self, folder, name):
        self._loaded = tf.saved_model.load(folder)
        self.name = name
        self.version = int(folder.rstrip("/").rpartition("/")[2])

    def run(self, name, version, signature, inputs):
        """Runs a signature on a dict of tensors, and gives a dict of arrays."""
        if name != self.name or version not in (None, self.version):
            raise tf.errors.NotFoundError(
                None, None, f"Servable not found for request: {name} {version}"
            )
        if signature not in self._loaded.signatures:
            raise tf.errors.InvalidArgumentError(
                None, None, f"Serving signature name: {signature!r} not found"
            )
        outputs = self._loaded.signatures[signature](**inputs)
        return {key: value.numpy() for key, value in outputs.items()}


class Busy:
    """Whether the next request must be refused, as the first `count` must."""

    def __init__(self, count):
        self._left, self._lock = count, threading.Lock()

    def __call__(self):
        with self._lock:
            self._left -= 1
            return self._left >= 0


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's interface over gRPC."""

    def __init__(self, model, busy):
        self._model, self._busy = model, busy

    def Predict(self, request, context):  # noqa: N802
        if self._busy():
            context.abort(grpc.StatusCode.UNAVAILABLE, "the queue is full")
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        inputs = {
            name: tf.constant(tf.make_ndarray(proto))
            for name, proto in request.inputs.items()
        }
        try:
            outputs = self._model.run(spec.name, version, spec.signature_name, inputs)
        except tf.errors.OpError as error:
            context.abort(_GRPC_CODES[error.error_code], error.message)
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


class RestHandler(http.server.BaseHTTPRequestHandler):
    """TF Serving's interface over HTTP, in its columnar form."""

    model, busy = None, None

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match = re.fullmatch(r"/v1/models/(\w+)(?:/versions/(\d+))?:predict", self.path)
        if match is None:
            return self._answer(404, {"error": f"Malformed request: POST {self.path}"})
        if self.busy():
            return self._answer(503, {"error": "the queue is full"})
        request = json.loads(body)
        signature = request.get("signature_name", "serving_default")
        version = match[2] and int(match[2])
        try:
            specs = self.model._loaded.signatures[signature].structured_input_signature
            inputs = {
                name: tf.constant(_from_json(value), specs[1][name].dtype)
                for name, value in request["inputs"].items()
            }
            outputs = self.model.run(match[1], version, signature, inputs)
        except tf.errors.NotFoundError as error:
            return self._answer(404, {"error": error.message})
        except tf.errors.OpError as error:
            return self._answer(400, {"error": error.message})
        lists = {name: value.tolist() for name, value in outputs.items()}
        return self._answer(200, {"outputs": lists})

    def _answer(self, status, content):
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        """Keeps quiet."""


def _from_json(value):
    """Numbers as they are, {"b64": ...} as bytes."""
    if isinstance(value, list):
        return [_from_json(part) for part in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def main(folder, name, num_refused=0):
    """Serves until stdin ends."""
    model = Model(folder, name)
    threads = concurrent.futures.ThreadPoolExecutor(4)
    server = grpc.server(threads, options=_UNLIMITED)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(model, Busy(int(num_refused))), server
    )
    grpc_port = server.add_insecure_port("localhost:0")
    server.start()
    RestHandler.model, RestHandler.busy = model, Busy(int(num_refused))
    rest = http.server.ThreadingHTTPServer(("localhost", 0), RestHandler)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    print(grpc_port, rest.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
