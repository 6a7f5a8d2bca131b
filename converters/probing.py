"""Every tensor of a written ``.tflite``, as its own runtime computes it: where the noise comes in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError, RuntimeMissingError
from ghostface_edge.runtime.litert import dequantised, quantised

from .graph import FloatArray


def probe_tflite(model: bytes, pictures: FloatArray, names: Iterable[str]) -> dict[str, NDArray[np.float32]]:
    """Run a TFLite file and read the tensors inside it, as real numbers.

    The built-in kernels compute here, because XNNPACK keeps its tensors to itself. The two round alike to within one
    integer.

    Args:
        model: The file.
        pictures: (N, height, width, 3) float32, as the network wants them.
        names: The tensors wanted; those that the file does not have are left out of the result.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
        ConversionError: LiteRT cannot run the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise RuntimeMissingError('reading tensors needs LiteRT: pip install "ghostface-edge[litert]"') from error
    wanted = set(names)
    rows: dict[str, list[NDArray[Any]]] = {}
    try:
        interpreter = Interpreter(
            model_content=model,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]
        inside = [detail for detail in interpreter.get_tensor_details() if detail["name"] in wanted]
        for picture in pictures:
            interpreter.set_tensor(source["index"], quantised(picture[None], source))
            interpreter.invoke()
            for detail in inside:
                values = dequantised(interpreter.get_tensor(detail["index"]), detail)
                rows.setdefault(detail["name"], []).append(values)
    except (ValueError, RuntimeError) as error:
        raise ConversionError(f"LiteRT cannot run the file that was written: {error}") from error
    return {name: np.concatenate(parts) for name, parts in rows.items()}
