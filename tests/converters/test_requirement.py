"""What a user without the packages of the extra `convert` is told: on Python 3.9 the extra is no way out."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.hdf5 import Hdf5File
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.yunet_onnx import read_yunet_onnx
from ghostface_edge.errors import RuntimeMissingError

NEEDS = [
    ("h5py", "reading a .h5 checkpoint", lambda: Hdf5File(b"")),
    ("onnx", "reading a .onnx checkpoint", lambda: read_yunet_onnx(b"", "x")),
    ("onnx", "writing an .onnx model", lambda: write_onnx(Graph.__new__(Graph), "x")),
]


@pytest.mark.parametrize(("package", "purpose", "use"), NEEDS)
@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (
            (3, 9, 18),
            ", and converting needs Python 3.10 or newer. A model that was converted on another machine runs "
            "here: --model FILE.onnx",
        ),
        ((3, 10, 0), ': pip install "ghostface-edge[convert]"'),
    ],
)
def test_advice_that_helps_on_this_python(
    package: str,
    purpose: str,
    use: Callable[[], object],
    version: tuple[int, ...],
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(RuntimeMissingError) as caught:
        use()
    monkeypatch.undo()
    assert str(caught.value) == f"{purpose} needs the package {package}{advice}"
