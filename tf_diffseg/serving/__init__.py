"""Serving: export to a SavedModel, and clients of TF Serving."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "GrpcClient": "prediction_client",
        "RestClient": "prediction_client",
        "ServedModel": "served_model",
        "ServerError": "prediction_client",
        "StoredWeights": "stored_weights",
        "export_saved_model": "export",
        "load_network": "exported_network",
        "next_version": "version_folders",
        "versions": "version_folders",
        "write_server_files": "server_files",
        "write_warmup_requests": "warmup",
    },
)
