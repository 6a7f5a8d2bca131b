"""First bytes by which files are told apart, whatever they are called."""

HDF5 = b"\x89HDF\r\n\x1a\n"
"""A Keras ``.h5`` checkpoint (HDF5 File Format Specification 3.0, section II.A)."""

ZIP = b"PK\x03\x04"
"""A zip file, such as a Keras ``.keras`` checkpoint (APPNOTE.TXT 6.3.10, section 4.3.7)."""

PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""A Python pickle of protocol 2 to 5 (CPython ``Lib/pickletools.py``, opcode PROTO)."""

GIT_LFS = b"version https://git-lfs"
"""A Git LFS pointer instead of the file itself (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""
