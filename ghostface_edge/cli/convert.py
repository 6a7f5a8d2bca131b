"""The verbs about model files: convert, inspect, card add."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from ..notices import without_notices
from .options import full_precision, given, plain_options, show_help
from .output import answer, check_place, one_line, write_file


@click.command(short_help="Turn a checkpoint into a model that runs, and prove it.")
@click.argument("checkpoint")
@click.option("-o", "--output", metavar="DIR", required=True, help="Folder for the model; created if absent.")
@click.option("--to", metavar="onnx|tflite", default="onnx", show_default=True, help="File format.")
@click.option(
    "--precision",
    metavar="NAME",
    default="fp32",
    show_default=True,
    callback=full_precision,
    help="fp32, fp16 or int8; for tflite also dynamic, int16x8 or mixed.",
)
@click.option("--faces", metavar="DIR", help="Photos or aligned crops, to take int8 ranges from and to judge by.")
@click.option("--calibration", metavar="FILE", help="Statistics that an earlier conversion saved, instead of faces.")
@click.option(
    "--gate",
    metavar="LIMITS",
    default="default",
    show_default=True,
    help="What the model must keep, such as cosine=0.985,cosine_min=0.95 (YuNet: landmarks_max=5); or off.",
)
@click.option("--no-equalise", is_flag=True, help="Quantise as other converters do, to see what it costs.")
@click.option("--integer-io", is_flag=True, help="Integers in and out, for tflite int8 and int16x8.")
@click.option(
    "--weights-below",
    metavar="BYTES",
    type=int,
    help="For tflite dynamic: only as many weights in int8 as bring the file down to BYTES.  [default: all]",
)
@click.option(
    "--fp16-storage-only",
    is_flag=True,
    help="For tflite fp16 and dynamic: compute in float32 even where the processor has float16 arithmetic.",
)
@click.option("--layout", metavar="NHWC|NCHW", help="Of an ONNX file's input; NCHW for OpenCV.  [default: NHWC]")
@click.option(
    "--batch", metavar="N", type=int, help="1 for an ONNX file of one picture per run.  [default: any number]"
)
@click.option(
    "--prelu",
    metavar="lowered|native",
    help="PReLU as several operations, or as one operator.  [default: what runs faster in this format]",
)
@click.option("--name", help="What people call the model.  [default: the stem of CHECKPOINT]")
@click.option("--licence", metavar="TEXT", help="Terms of the weights, for the model card.")
@click.option(
    "--arch",
    "architecture",
    metavar="NAME",
    help="Network of a file of weights alone, such as ghostfacenet-v1-1.3-2: version, width, stride of the stem.",
)
@click.option(
    "--hard-sigmoid",
    metavar="keras2|keras3",
    help="Whose hard_sigmoid is meant, for a file that does not say which Keras wrote it.",
)
@click.option("--colour-order", metavar="RGB|BGR", help="Order of the channels that an .onnx embedder wants.")
@click.option("--mean", type=float, help="A grey level p enters an .onnx embedder as (p - mean) * scale ...")
@click.option("--scale", type=float, help="... such as 127.5 and 0.0078125.")
@click.option("--size", type=int, metavar="PIXELS", help="Side of the picture, where an .onnx embedder leaves it open.")
@plain_options
def convert(
    checkpoint: str, output: str, to: str, precision: str, no_equalise: bool, as_json: bool, **rest: Any
) -> None:
    """Turn a trained CHECKPOINT into a model that runs.

    CHECKPOINT is a GhostFaceNet of Keras (.h5 or .keras), an embedder that another trainer exported (.onnx), or
    YuNet's .onnx. Beside the model come manifest.json and, with --faces, a report. A model that loses more than its
    gate allows is not written, its report is, and the exit code is 2.
    """
    made = _converters("convert").convert(
        checkpoint, output, to=to, precision=precision, equalise=not no_equalise, **given(rest)
    )
    lines = [
        f"{made.path}: {made.card.model_id}, {made.card.precision}, {made.size:,} bytes, {made.nodes} nodes, "
        f"{made.parameters:,} parameters, {made.macs / 1e6:.1f} million MACs, {made.seconds:.2f} s"
    ]
    if made.report is not None and made.parity is not None:
        lines += [made.parity.to_text(), f"report: {made.report}"]
    if made.left_out:
        lines.append(f"left out, for the embedding does not need it: {', '.join(made.left_out)}")
    lines += made.notes
    answer(made.to_dict(), "\n".join(one_line(line) for line in lines), as_json)


@click.command(short_help="What is in a model file.")
@click.argument("model")
@plain_options
def inspect(model: str, as_json: bool) -> None:
    """What is in MODEL, a name or a file: its card, thresholds, operators, inputs and outputs. Also of an .h5."""
    from .inspection import inspection

    with without_notices():
        found = inspection(model)
    answer(found.to_dict(), found.to_text(), as_json)


@click.group(invoke_without_command=True, short_help="Give a model of your own a model card.")
@click.pass_context
def card(context: click.Context) -> None:
    """The model card: what a model file says about its own input, origin and terms."""
    show_help(context)


@card.command(short_help="Add a model card to an ONNX embedder.")
@click.argument("model")
@click.option("-o", "--output", metavar="FILE", required=True, help="The new file; MODEL stays as it is.")
@click.option("--colour-order", type=click.Choice(["RGB", "BGR"]), required=True, help="Order of the input's channels.")
@click.option("--layout", type=click.Choice(["NHWC", "NCHW"]), required=True, help="Order of the input's axes.")
@click.option("--mean", type=float, required=True, help="A grey level p of 0 to 255 enters as (p - mean) * scale ...")
@click.option("--scale", type=float, required=True, help="... such as 127.5 and 0.0078125.")
@click.option("--licence", metavar="TEXT", required=True, help="Terms of the weights, in words.")
@click.option("--name", help="What people call the model.  [default: the stem of MODEL]")
@click.option("--size", type=click.IntRange(1, 4096), default=112, show_default=True, help="Side of the input, pixels.")
@click.option("--architecture", metavar="TEXT", default="custom", show_default=True, help="Name of the network.")
@plain_options
def add(model: str, output: str, as_json: bool, **fields: Any) -> None:
    """Add a model card to an ONNX face embedder of your own that has none.

    Its faces must be aligned to the ArcFace template. The model is run once, to see that it fits the card; whether
    colours, mean and scale are right, only its author knows.
    """
    from .carding import carded

    check_place(output, model)
    data, made = carded(model, **fields)
    write_file(output, data)
    text = f"{output}: {made.model_id}, {made.embedding_size} numbers per face"
    answer({"path": output, "card": made.to_dict()}, one_line(text), as_json)


def _converters(module: str) -> Any:
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    return import_module(f"ghostface_edge.converters.{module}")
