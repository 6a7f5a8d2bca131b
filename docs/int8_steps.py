"""What each step of the int8 conversion gives: the table of ``docs/int8.md``.

::

    python docs/int8_steps.py CHECKPOINT PHOTOS

Each line leaves steps out, writes the model, and compares it with the float network on faces that it was not
calibrated on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ghostface_edge.converters.bias_correction import correct_biases
from ghostface_edge.converters.calibration import CORRECTION_PICTURES, PICTURE, PICTURES
from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.faces import read_faces
from ghostface_edge.converters.judging import embeddings_of, float_embeddings
from ghostface_edge.converters.parity import Parity
from ghostface_edge.converters.passes.decouple import decouple
from ghostface_edge.converters.passes.equalise import equalise
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm
from ghostface_edge.converters.passes.fold_hard_sigmoid import fold_hard_sigmoid
from ghostface_edge.converters.passes.lower_prelu import lower_prelu
from ghostface_edge.converters.passes.normalise_slopes import normalise_slopes
from ghostface_edge.converters.ranges import choose_ranges
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.converters.trained_model import SourceOptions, read_trained_model
from ghostface_edge.embedding import input_tensor

STEPS = ("slopes", "decouple", "equalise", "ranges", "biases")
TRIALS = (STEPS, ("equalise", "ranges", "biases"), *((step,) for step in STEPS), ())


def steps(checkpoint: str, photos: str) -> Iterator[tuple[str, Parity]]:
    """The steps that were left out, and what the model kept without them."""
    model = read_trained_model(Path(checkpoint), SourceOptions())
    card = replace(model.card, precision="int8", thresholds=())
    calibrating, judging = read_faces(photos).split(500)
    every = max(1, len(calibrating) // PICTURES)
    pictures = input_tensor(calibrating.crops, card.input)[::every][:PICTURES]
    before = float_embeddings(model.graph, card, judging.crops)
    for without in TRIALS:
        graph = fold_batch_norm(model.graph)
        graph = graph if "decouple" in without else decouple(graph)
        graph = graph if "slopes" in without else normalise_slopes(graph)
        graph = lower_prelu(fold_hard_sigmoid(graph), "depthwise")
        statistics = channel_statistics(graph, pictures)
        if "equalise" not in without:
            graph = equalise(graph, statistics)
            statistics = channel_statistics(graph, pictures)
        method = "minmax" if "ranges" in without else "gain"
        quantization = choose_ranges(graph, pictures, statistics, PICTURE, method=method)
        if "biases" not in without:
            graph = correct_biases(graph, quantization, pictures[::2][:CORRECTION_PICTURES])
        after = embeddings_of(write_tflite(graph, card, quantization), "int8", judging.crops)
        yield ", ".join(without) or "nothing", Parity.of(before, after)


if __name__ == "__main__":
    for left_out, parity in steps(*sys.argv[1:]):
        print(f"without {left_out}: {parity.to_text()}", flush=True)  # noqa: T201
