"""ONNX Runtime as a :class:`~ghostface_edge.runtime.Session`."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from ..card import read_card, refuse_external_data
from ..errors import InferenceError, ModelFileError, RuntimeMissingError
from .session import FloatArray, check_input, naming


class OnnxSession:
    """An ``.onnx`` file on ONNX Runtime's CPU kernels.

    The seal is checked and external data refused before ONNX Runtime's native parser sees a byte. ``run`` may be called
    from several threads at once: ONNX Runtime's own ``Run`` is thread-safe.

    Args:
        data: The file's bytes.
        threads: Threads of one inference.
        name: What messages call the model.

    Raises:
        RuntimeMissingError: onnxruntime is not installed.
        ModelFileError: The bytes are damaged, no ONNX model, or one for batches of a fixed size above 1.
        ModelCardError: The file holds no model card.
    """

    runtime = "onnx"

    def __init__(self, data: bytes, *, threads: int, name: str) -> None:
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise RuntimeMissingError(
                f'{name} needs ONNX Runtime, which is not installed: pip install "ghostface-edge[onnx]"'
            ) from error
        with naming(name):
            self.card = read_card(data)
            refuse_external_data(data)
        self.file, self.sha256 = name, hashlib.sha256(data).hexdigest()
        self.threads = threads
        self.version = f"onnxruntime {ort.__version__}"
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what matters is raised; the rest is noise on the user's terminal
        # What was checked as ONNX must not be read as ONNX Runtime's own format, whatever its bytes look like.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        # An idle pool must not burn the core that detection or the camera needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # On x86-64 without VNNI, the fast kernel for uint8 x int8 overflows in 16 bits: embeddings are silently wrong.
        options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            # Without a fallback there is nothing for ONNX Runtime to print on stdout when it fails.
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        except Exception as error:  # onnxruntime raises classes of its own and plain ones
            raise ModelFileError(f"ONNX Runtime cannot load {name}: {_first_line(error)}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or not outputs or {item.type for item in (*inputs, *outputs)} != {"tensor(float)"}:
            raise ModelFileError(f"{name} is no network with one float32 input and float32 outputs")
        self._input = inputs[0]
        batch, *rest = (size if isinstance(size, int) else None for size in self._input.shape or (0,))
        if batch not in (None, 1):
            raise ModelFileError(
                f"{name} is built for batches of {batch}; a face model takes one picture or any number"
            )
        self._one_by_one = batch == 1
        self._shape = (None, *rest)

    def run(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """Run the model; see :meth:`ghostface_edge.runtime.Session.run`."""
        check_input(tensor, self._shape, self.file)
        if self._one_by_one and len(tensor) > 1:
            rows = [self._outputs(tensor[index : index + 1]) for index in range(len(tensor))]
            return tuple(np.concatenate(parts) for parts in zip(*rows))
        return tuple(self._outputs(tensor))

    def _outputs(self, tensor: FloatArray) -> list[NDArray[np.float32]]:
        try:
            outputs: list[NDArray[np.float32]] = self._session.run(None, {self._input.name: tensor})
        except Exception as error:  # as above
            raise InferenceError(f"ONNX Runtime failed on {self.file}: {_first_line(error)}") from error
        return outputs


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
