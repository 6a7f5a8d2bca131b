"""Models of an architecture with random weights: what a network costs on a device, before there is a checkpoint.

The weights are not trained, but keep the size of the numbers (see
:func:`ghostface_edge.converters.architectures.ghostfacenet`), and all passes and writers are those of a conversion: the
operations, their types and their shapes are the ones that a trained network of this architecture has.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from functools import cached_property

import numpy as np

from ghostface_edge.card import ARCFACE_ALIGNMENT, InputSpec, ModelCard, Source, write_card
from ghostface_edge.converters.architectures import SIDE, architecture
from ghostface_edge.converters.calibration import Calibration, calibrate
from ghostface_edge.converters.convert import PRECISIONS
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.preparation import CALIBRATED, picture_affine, prepare_float, prepare_integers
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.converters.trained_model import PRODUCER
from ghostface_edge.embedding import input_tensor
from ghostface_edge.errors import OptionError

from .face_crops import drawn_faces

WEIGHTS = "random weights: it recognises nobody"
"""What the card says as licence."""

_CALIBRATION_FACES = 4  # the time of an inference does not depend on how good the ranges are


class RandomModel:
    """One network with random weights; written in any form.

    Args:
        name: Of the architecture, such as ``ghostfacenet-v1-1.3-2``.
        seed: Of the weights.

    Raises:
        OptionError: There is no architecture of this name.
    """

    def __init__(self, name: str, *, seed: int = 0) -> None:
        self.name = name
        self.graph = architecture(name, seed=seed)
        digest = _digest(self.graph)
        self._card = ModelCard(
            kind="embedder",
            model_id=f"{name}-random-{digest[:8]}",
            name=name,
            architecture=name,
            precision="float32",
            input=InputSpec(SIDE, SIDE, "NHWC", "RGB", mean=127.5, scale=1 / 128),
            source=Source(f"{name}, random weights", digest, 4 * self.graph.parameters()),
            converter=PRODUCER,
            licence=WEIGHTS,
            alignment=ARCFACE_ALIGNMENT,
            embedding_size=self.graph.shapes()[self.graph.outputs[0]][0],
        )

    @cached_property
    def calibration(self) -> Calibration:
        """Ranges of activations, from a few drawn faces."""
        spec = self._card.input
        pictures = input_tensor(drawn_faces(_CALIBRATION_FACES).crops, spec)
        return calibrate(self.graph, pictures, checkpoint_sha256=self._card.source.sha256, picture=picture_affine(spec))

    def write(self, to: str, precision: str) -> bytes:
        """The bytes of a model file, with its card.

        Args:
            to: ``onnx`` or ``tflite``.
            precision: One that the format has; but ``mixed``, which takes trained weights to decide.

        Raises:
            OptionError: No such format or precision.
            RuntimeMissingError: A package that writes the format, or calibrates, is not installed.
            ConversionError: The network has no such form.
        """
        if precision not in PRECISIONS[to] or precision == "mixed":
            forms = ", ".join(item for item in PRECISIONS[to] if item != "mixed")
            raise OptionError(f"{precision} does not exist for {self.name} as .{to}; choose from: {forms}")
        if precision in CALIBRATED:
            prepared = prepare_integers(self.graph, precision, self.calibration)
        else:
            prepared = prepare_float(self.graph, to, precision)
        is_half = to == "tflite" and precision in ("float16", "dynamic")
        card = replace(self._card, precision=precision, compute="float16" if is_half else "")
        data: bytes
        if to == "tflite":
            data = write_tflite(prepared.graph, card, prepared.quantization)
        else:
            weights = "float16" if precision == "float16" else "float32"
            content = write_onnx(prepared.graph, PRODUCER, precision=weights, quantization=prepared.quantization)
            data = write_card(content, card)
        return data


def _digest(graph: Graph) -> str:
    """sha256 over all weights, in the order of the nodes."""
    whole = hashlib.sha256()
    for node in graph.nodes:
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, np.ndarray):
                whole.update(np.ascontiguousarray(value, "<f4").tobytes())
    return whole.hexdigest()
