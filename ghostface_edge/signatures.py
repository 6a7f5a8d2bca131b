"""First bytes by which files are told apart, whatever they are called."""

HDF5 = b"\x89HDF\r\n\x1a\n"
"""A Keras ``.h5`` checkpoint (HDF5 File Format Specification 3.0, section II.A)."""

GIT_LFS = b"version https://git-lfs"
"""A Git LFS pointer instead of the file itself (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""
