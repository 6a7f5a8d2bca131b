"""The HDF5 reader refuses everything that could reach beyond the file, and reads the rest exactly."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.converters.hdf5 import Hdf5File
from ghostface_edge.errors import CheckpointError

h5py = pytest.importorskip("h5py")


def made(fill: Callable[[h5py.File], object], libver: str = "earliest") -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        fill(file)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_arrays_come_back_as_float32(dtype: str) -> None:
    values = np.array([[0.5, -2.0], [1024.0, 0.25]])
    file = Hdf5File(made(lambda f: f.create_dataset("layer/scope/kernel:0", data=values.astype(dtype))))
    assert file.arrays("layer") == ("layer/scope/kernel:0",)
    array = file.array("layer/scope/kernel:0")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, values)


@pytest.mark.parametrize("libver", ["earliest", "latest", "v108"])
def test_texts_of_every_length_and_kind(libver: str) -> None:
    texts = {"short": "2.10.0", "long": "ä" * 80_000, "bytes": b"plain", "fixed": np.bytes_(b"fixed")}

    def fill(file: h5py.File) -> None:
        file.attrs.update(texts)

    file = Hdf5File(made(fill, libver))
    assert [file.text(name) for name in texts] == ["2.10.0", "ä" * 80_000, "plain", "fixed"]
    assert file.text("absent") is None


def test_absent_things_are_absent() -> None:
    file = Hdf5File(made(lambda f: f.create_group("a")))
    assert file.arrays("a") == ()
    assert file.arrays("b/c") == ()
    with pytest.raises(CheckpointError, match="'a/x' are missing"):
        file.array("a/x")
    with pytest.raises(CheckpointError, match="'a' are not a data set"):
        file.array("a")


def external_link(file: h5py.File, elsewhere: Path) -> None:
    file["x"] = h5py.ExternalLink(str(elsewhere), "secret")


def soft_link(file: h5py.File, elsewhere: Path) -> None:
    file["y"] = np.ones(2, np.float32)
    file["x"] = h5py.SoftLink("/y")


def external_storage(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("x", (2,), "<f4", external=[(str(elsewhere), 0, 8)])


def virtual(file: h5py.File, elsewhere: Path) -> None:
    layout = h5py.VirtualLayout(shape=(2,), dtype="<f4")
    layout[:] = h5py.VirtualSource(str(elsewhere), "secret", shape=(2,))
    file.create_virtual_dataset("x", layout)


def compressed(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("x", data=np.ones(64, np.float32), chunks=(64,), compression="gzip")


@pytest.mark.parametrize("store", [external_link, soft_link, external_storage, virtual, compressed])
def test_nothing_leads_out_of_the_file(store: Callable[[h5py.File, Path], None], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.h5"
    with h5py.File(elsewhere, "w") as file:
        file["secret"] = np.full(2, 42, np.float32)
    file = Hdf5File(made(lambda f: store(f, elsewhere), "latest"))
    with pytest.raises(CheckpointError, match=r"link, perhaps to another file|not stored plainly"):
        file.array(file.arrays("x")[0])


def test_a_link_in_the_middle_of_a_path_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.h5"
    with h5py.File(elsewhere, "w") as file:
        file["a/x"] = np.ones(2, np.float32)

    def fill(file: h5py.File) -> None:
        file["model_weights"] = h5py.ExternalLink(str(elsewhere), "/")

    with pytest.raises(CheckpointError, match="refused"):
        Hdf5File(made(fill)).array("model_weights/a/x")


def test_a_huge_shape_is_refused_before_it_is_allocated() -> None:
    file = Hdf5File(made(lambda f: f.create_dataset("x", (1 << 20, 1 << 20), "<f4")))
    with pytest.raises(CheckpointError, match="more than the file holds"):
        file.array("x")


def test_arrays_that_share_their_bytes_do_not_add_up_without_end() -> None:
    def fill(file: h5py.File) -> None:
        file["a"] = np.ones(1000, np.float32)
        file["b"] = file["a"]

    file = Hdf5File(made(fill))
    assert file.array("a").size == 1000
    with pytest.raises(CheckpointError, match="more than the file holds"):
        [file.array("b") for _ in range(10)]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    file = Hdf5File(made(lambda f: f.create_dataset("x", data=np.array([0.0, value]))))
    with pytest.raises(CheckpointError, match="not finite"):
        file.array("x")


def test_whole_numbers_are_no_weights() -> None:
    file = Hdf5File(made(lambda f: f.create_dataset("x", data=np.arange(3))))
    with pytest.raises(CheckpointError, match="int64, not floating-point"):
        file.array("x")


def test_a_group_that_contains_itself_is_refused() -> None:
    def fill(file: h5py.File) -> None:
        file.create_group("a")
        file["a/b"] = file["a"]

    with pytest.raises(CheckpointError, match="more than the 64 members"):
        Hdf5File(made(fill)).arrays("a")


def test_a_group_of_many_members_is_refused() -> None:
    def fill(file: h5py.File) -> None:
        for number in range(100):
            file.create_group(f"a/{number}")

    with pytest.raises(CheckpointError, match="more than the 64 members"):
        Hdf5File(made(fill)).arrays("a")


def test_an_attribute_that_is_no_text_is_refused() -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["number"] = 3
        file.attrs["list"] = ["a", "b"]

    file = Hdf5File(made(fill))
    for name in ("number", "list"):
        with pytest.raises(CheckpointError, match=f"{name}' is no text"):
            file.text(name)


def test_a_text_longer_than_the_file_is_refused_before_it_is_allocated() -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["model_config"] = "x" * 54_321

    data = bytearray(made(fill))
    at = data.find(struct.pack("<I", 54_321))
    data[at : at + 4] = b"\xf0\xff\xff\xff"
    with pytest.raises(CheckpointError, match="longer than the file"):
        Hdf5File(bytes(data)).text("model_config")


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(4096), b"nonsense" * 100])
def test_what_is_no_hdf5_file_is_refused(data: bytes) -> None:
    with pytest.raises(CheckpointError, match="cannot be opened"):
        Hdf5File(data)
