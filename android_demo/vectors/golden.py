"""The files of ``android_demo/golden``: how they are written, and when two of them say the same."""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterator
from typing import Any

TOLERANCE = 1e-6
"""Of a float, relative to the largest one of its list: what another processor or library may change."""


def encoded(vectors: dict[str, Any]) -> str:
    """The text of a file, one line for each key.

    Raises:
        ValueError: NaN or infinity, which are not JSON.
    """
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}" for key, value in vectors.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def differences(expected: Any, found: Any, key: str = "") -> Iterator[str]:
    """What of ``found`` is not what was expected, each with its key, such as ``faces[2].box[0]``.

    Integers and text must be equal, packed bytes (base64 of zlib) hold the same, floats lie within :data:`TOLERANCE`.
    """
    yield from _differences(expected, found, key, 0.0)


def _differences(expected: Any, found: Any, key: str, scale: float) -> Iterator[str]:
    if type(expected) is not type(found):
        yield f"{key}: {_short(found)}, expected {_short(expected)}"
    elif isinstance(expected, dict):
        for name in [*expected, *(name for name in found if name not in expected)]:
            path = f"{key}.{name}" if key else name
            if name not in found:
                yield f"{path}: missing"
            elif name not in expected:
                yield f"{path}: not expected"
            else:
                yield from _differences(expected[name], found[name], path, 0.0)
    elif isinstance(expected, list):
        if len(expected) != len(found):
            yield f"{key}: {len(found)} items, expected {len(expected)}"
            return
        largest = max((abs(item) for item in expected if isinstance(item, float)), default=scale)
        for index, pair in enumerate(zip(expected, found)):
            yield from _differences(*pair, f"{key}[{index}]", largest)
    elif isinstance(expected, float):
        if not math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE * scale):
            yield f"{key}: {found!r}, expected {expected!r}"
    elif expected != found and (_unpacked(expected) is None or _unpacked(expected) != _unpacked(found)):
        yield f"{key}: {_short(found)}, expected {_short(expected)}"


def _unpacked(text: Any) -> bytes | None:
    """What packed text holds; None if it is none. Libraries compress differently, so the text itself says little."""
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except (TypeError, binascii.Error, ValueError, zlib.error):
        return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
