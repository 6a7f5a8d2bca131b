"""Model cards, good and senseless, and what Python says of them.

A card is given as a change: ``card`` with the first occurrence of one text replaced by another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import network

from ghostface_edge.card import InputSpec, ModelCard, Source
from ghostface_edge.errors import GhostFaceError

NUMBERS = ("null", '"1"', "true", "1" + "0" * 40, "[1]", "{}")
"""None of them is a number that float32 holds."""

COUNTS = ("null", '"1"', "true", "-1", "1.0", "[]")
"""None of them is a count."""

CHANGES: dict[str, tuple[str, ...]] = {
    '"embedder"': ('"generator"', '"detector"', '""', "null", "[1]"),
    '"ghost-modules-1"': ('""', "1", '"\\ud800"'),
    '"ghost modules"': ("null", "{}", '"\\u00e9 日本"', '""', '"\n"', '"\\x41"', "'single'", "bare"),
    '"height":112': tuple(f'"height":{value}' for value in ("0", "-1", "4097", "1.5", '"112"', "true", "null", "113")),
    '"width":112': ('"width":112.0', '"width":0112', '"width":+112', '"width":112,"depth":3', '"width":96,"width":112'),
    '"NHWC"': ('""', '"nhwc"', '"NCHW"', '"it\'s"', '"a\\\\b\\n"', "null", "1"),
    '"RGB"': ('"rgb"', '"BGR"', "false"),
    '"colour_order"': ('"color_order"',),
    "127.5": (*NUMBERS, "127", "0", "-3.4e38", "3.5e38", "1E1", "1.", ".5", "1e", "0x7f"),
    "0.0078125": (*NUMBERS, "0", "0.0", "-0.0", "-1e-3"),
    '"network.py"': ("null", '"","url":"x"'),
    '"size":1': tuple(f'"size":{value}' for value in (*COUNTS, "0", "1e2", "4503599627370497")),
    '"alignment":"arcface-112",': ("", '"alignment":"",', '"alignment":"eyes-only",', '"alignment":7,'),
    '"architecture"': tuple(
        f'"compute":{value},"architecture"' for value in ('""', '"float16"', '"float32"', '"int8"', "null", "16")
    ),
    '"embedding_size":32,': ("", *(f'"embedding_size":{value},' for value in (*COUNTS, "0"))),
    '"fmr":0.01': tuple(f'"fmr":{value}' for value in (*NUMBERS, "0", "1", "-0.5", "0.0", "1e-7")),
    '"similarity":0.75': tuple(f'"similarity":{value}' for value in (*NUMBERS, "1.01", "-1.01", "-1", "1")),
    '"fnmr":0.05': tuple(f'"fnmr":{value}' for value in (*NUMBERS, "1.01", "-0.1", "0", "1")),
    '"impostor_pairs":1000': tuple(f'"impostor_pairs":{value}' for value in COUNTS),
    '"fixed"': ("null", "1", '"fixed","note":"x"'),
    '"people":40': tuple(f'"people":{value}' for value in (*COUNTS, "0", "1", "2")),
    '"fmr_high":0.004': tuple(f'"fmr_high":{value}' for value in (*NUMBERS, "1.01", "-0.1", "0")),
    '"similarity_low":0.84': tuple(f'"similarity_low":{value}' for value in (*NUMBERS, "0.87", "-1.01", "0.86")),
    '"schema":1': tuple(f'"schema":{value}' for value in ("2", "0", '"1"', "null", "[]", "1.0", '1,"note":""')),
    '"schema":1,': ("",),
    '"licence"': ('"license"',),
    '"input":{': ('"input":null,"i":{', '"input":[],"i":{', '"input":1,"i":{'),
    '"source":{': ('"source":null,"s":{', '"source":"x","s":{'),
    '"thresholds":[': (
        '"thresholds":[null,',
        '"thresholds":[7,',
        '"thresholds":[{},',
        '"thresholds":[],"t":[',
        '"t":[',
    ),
    "{": ("", "[", "\ufeff{", " \t\r\n{", "\f{", "//\n{", "#\n{", "{,", "{{", ")]}'\n{"),
    "},": ("};", "},,", "}", "}/**/,"),
    ":": ("=", "=>", ": ", "::"),
}
"""Texts that the card holds, and what to put in their place."""

WHOLE = ("", "null", "[]", "7", '"card"', "{}", "nul", "[" * 9000, "\x00", '{"schema":1} x', '{"schema":1}{}')
"""What is no card at all."""


def vectors() -> dict[str, Any]:
    """Cards and their fields or faults; thresholds, found and not."""
    card = network.card("float32")
    text = card.to_json()
    half = replace(card, precision="float16", compute="float16")
    return {
        "card": text,
        "good": [item.to_dict() for item in (card, network.card("int8", "NCHW"), _detector(card), half)],
        "changes": [
            {"old": old, "new": new, **_fault(partial(ModelCard.from_json, _replaced(text, old, new)))}
            for old, changes in CHANGES.items()
            for new in changes
        ],
        "whole": [{"text": whole, **_fault(partial(ModelCard.from_json, whole))} for whole in WHOLE],
        "thresholds": [_threshold(card, fmr, name) for fmr in (1e-3, 0.1 * 0.1, 2e-5) for name in ("fixed", "it's")],
        "without": _fault(lambda: replace(card, thresholds=()).threshold(1e-3, "fixed")),
    }


def _replaced(text: str, old: str, new: str) -> str:
    at = text.index(old)
    return text[:at] + new + text[at + len(old) :]


def _detector(card: ModelCard) -> ModelCard:
    spec = InputSpec(None, None, "NHWC", "RGB", 0, 1)
    source = Source("yunet.onnx", "ab", 232589)
    return replace(
        card, kind="detector", input=spec, source=source, alignment="", embedding_size=0, thresholds=(), name="né"
    )


def _threshold(card: ModelCard, fmr: float, detector: str) -> dict[str, Any]:
    asked = {"fmr": fmr, "detector": detector}
    fault = _fault(lambda: card.threshold(fmr, detector))
    return {**asked, **(fault or {"similarity": card.threshold(fmr, detector).similarity})}


def _fault(attempt: Callable[[], object]) -> dict[str, str]:
    """How the message of the error begins, up to where Python names things of its own; empty where there is none."""
    try:
        attempt()
    except GhostFaceError as error:
        message = str(error)
        for general in ("the model card is not JSON", "the model card has a missing or unknown field"):
            if message.startswith(general):
                return {"fault": general}
        return {"fault": message}
    return {}
