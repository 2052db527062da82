"""How ONNX graphs are opened."""

from pathlib import Path

from onnxruntime import InferenceSession, SessionOptions

ONLY_FATAL = 4


def open_graph(file: Path, threads: int) -> InferenceSession:
    """`threads`: of one query. Raises what onnxruntime raises for files that are no graph."""
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # What fails raises. Its own lines on standard error are no JSON, and tell which token a customer's word became.
    options.log_severity_level = ONLY_FATAL
    return InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
