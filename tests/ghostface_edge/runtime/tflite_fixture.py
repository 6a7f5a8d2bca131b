"""Writes small ``.tflite`` files for tests, with LiteRT's own schema classes: one fully connected layer, and a card."""

from __future__ import annotations

import hashlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

CARD, SEAL = "ghostface_edge.card", "ghostface_edge.seal"


def dense_model(
    weights, *, card: str | None, inputs, outputs, weight_scale=None, shape=None, reshape: bool = False
) -> bytes:
    """``y = weights @ x``.

    Args:
        weights: (D, K) float32, or int8 with ``weight_scale``.
        card: JSON text of the card; None for a file without one.
        inputs: (type name, scale, zero point) of the input, such as ("INT8", 0.5, 3).
        outputs: The same of the output.
        weight_scale: Scale of int8 weights.
        shape: Shape of the input; by default (1, K).
        reshape: The layer only copies ``x``, of any type, to ``y``.
    """
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, b"test"
    model.buffers, model.metadata = [schema.BufferT()], []
    model.subgraphs, graph.tensors = [graph], []

    def tensor(name, size, kind, scale=None, zero_point=0, data=None):
        result = schema.TensorT()
        result.name, result.shape = name.encode(), list(size)
        result.type, result.buffer = getattr(schema.TensorType, kind), 0
        if scale is not None:
            result.quantization = schema.QuantizationParametersT()
            result.quantization.scale, result.quantization.zeroPoint = [scale], [zero_point]
        if data is not None:
            result.buffer = buffer(data.tobytes())
        graph.tensors.append(result)
        return len(graph.tensors) - 1

    def buffer(content: bytes) -> int:
        entry = schema.BufferT()
        entry.data = np.frombuffer(content, np.uint8)
        model.buffers.append(entry)
        return len(model.buffers) - 1

    def metadata(name: str, content: bytes) -> None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = name.encode(), buffer(content)
        model.metadata.append(entry)

    d, k = weights.shape
    x = tensor("x", shape or (1, k), *inputs)
    w = tensor("w", (d, k), "FLOAT32" if weight_scale is None else "INT8", weight_scale, 0, weights)
    y = tensor("y", (1, k if reshape else d), *outputs)
    code = schema.OperatorCodeT()
    kind = schema.BuiltinOperator.RESHAPE if reshape else schema.BuiltinOperator.FULLY_CONNECTED
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = 1 if weight_scale is None else 4
    model.operatorCodes = [code]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [x] if reshape else [x, w, -1], [y]
    if reshape:
        operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
        operator.builtinOptions = schema.ReshapeOptionsT()
        operator.builtinOptions.newShape = [1, k]
    else:
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators, graph.inputs, graph.outputs = [operator], [x], [y]
    if card is not None:
        metadata(CARD, card.encode())
        metadata(SEAL, b"\0" * 64)
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    data = bytes(builder.Output())
    if card is None:
        return data
    digest = hashlib.sha256(data).hexdigest().encode()
    start = data.index((64).to_bytes(4, "little") + bytes(64)) + 4
    return data[:start] + digest + data[start + 64 :]
