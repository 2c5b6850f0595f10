"""Requests that TF Serving runs by itself before it reports that it is ready.

Needs tensorflow-serving-api: `pip install 'tf_diffseg[serving]'`.
"""

import pathlib

import tensorflow as tf

# TF Serving looks for this file in a version's folder.
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def write_warmup_requests(version_dir, requests, model_name):
    """Writes the requests with which TF Serving warms up.

    Without warm-up, the first request to a signature waits for memory and kernels.

    Args:
        version_dir: folder of one version of a model.
        requests: pairs (name of a signature, dict from input to array).
        model_name: name of the model on the server.
    """
    path = pathlib.Path(version_dir) / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    write_request_log(path, requests, model_name)


def write_request_log(path, requests, model_name):
    """Writes `requests`, as for `write_warmup_requests`, to a PredictionLog file."""
    from tensorflow_serving.apis import prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(
                predict_request(model_name, signature, inputs)
            )
            writer.write(log.SerializeToString())


def predict_request(model_name, signature, inputs, version=None):
    """Makes a `predict_pb2.PredictRequest`; the arguments are those of `GrpcClient`."""
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request
