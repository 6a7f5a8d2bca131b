"""What converting needs and this Python may not have."""

from __future__ import annotations

import sys

from ghostface_edge.errors import RuntimeMissingError


def missing_package(purpose: str, package: str) -> RuntimeMissingError:
    """The error for a package of the extra ``convert`` that is not installed.

    Args:
        purpose: What was to be done, such as "reading a .h5 checkpoint".
        package: What does it.
    """
    if sys.version_info < (3, 10):  # the extra is empty there; see setup.cfg
        return RuntimeMissingError(
            f"{purpose} needs the package {package}, and converting needs Python 3.10 or newer. A model that was "
            "converted on another machine runs here: --model FILE.onnx"
        )
    return RuntimeMissingError(f'{purpose} needs the package {package}: pip install "ghostface-edge[convert]"')
