"""Every error that this package raises on purpose, and nothing else leaves it.

::

    GhostFaceError
    ├── OptionError (ValueError)            an argument that makes no sense: threads=0, fmr=2, top_k=-1
    ├── ImageError (ValueError)             a source that is not a usable picture
    ├── DetectionError (ValueError)         a detector that breaks its contract, a bad option
    │   └── NoFaceError (LookupError)       a face was asked for and none was found
    ├── AlignmentError (ValueError)         landmarks that define no similarity transform
    ├── ModelError
    │   ├── ModelFileError (ValueError)     damaged, truncated, a Git LFS pointer, not a model
    │   ├── ModelCardError (ValueError)     no model card, or one that contradicts itself
    │   ├── ModelInputError (ValueError)    a tensor of the wrong shape, dtype or range
    │   ├── InferenceError (RuntimeError)   the runtime failed, or gave NaN, infinity or a zero vector
    │   └── ModelMismatchError (ValueError) embeddings of two different models were to be compared
    ├── RuntimeMissingError (ImportError)   a runtime or an optional package is not installed
    ├── ThresholdError (ValueError)         the model card holds no threshold for this request
    ├── GalleryError
    │   └── UnknownPersonError (LookupError)
    ├── StoreError
    │   ├── UnknownModelError (LookupError) a name that the store does not know
    │   ├── MissingModelError (LookupError) known, but not on this machine, and offline
    │   ├── ChecksumError                   the bytes are not the ones that were pinned
    │   └── DownloadError
    ├── ConversionError
    │   ├── CheckpointError (ValueError)    not a checkpoint, or a damaged one
    │   ├── UnsupportedLayerError (ValueError)
    │   ├── CalibrationError (ValueError)   faces or statistics that cannot be calibrated with
    │   └── GateError                       the model was made, and lost more than its gate allows
    └── EvaluationError (ValueError)        a protocol file or a data set that cannot be used
"""

from __future__ import annotations


class GhostFaceError(Exception):
    """Root of the tree; catch it to catch everything that this package raises."""


class OptionError(GhostFaceError, ValueError):
    """An argument outside its range; names the argument, the value and the range."""


class ImageError(GhostFaceError, ValueError):
    """A source that cannot become an RGB picture; names the source and the reason."""


class DetectionError(GhostFaceError, ValueError):
    """A detector was misconfigured, or returned something that is not a detection."""


class NoFaceError(DetectionError, LookupError):
    """A face was asked for and the detector found none."""


class AlignmentError(GhostFaceError, ValueError):
    """Landmarks from which no similarity transform can be computed."""


class ModelError(GhostFaceError):
    """Anything that is wrong with a model, its file or its tensors."""


class ModelFileError(ModelError, ValueError):
    """The file is damaged, truncated, a Git LFS pointer, or no model at all."""


class ModelCardError(ModelError, ValueError):
    """The model file carries no model card, or one that cannot be trusted."""


class ModelInputError(ModelError, ValueError):
    """A tensor has the wrong shape, dtype or value range for the model."""


class InferenceError(ModelError, RuntimeError):
    """The runtime failed, or its output is not finite or not normalisable."""


class ModelMismatchError(ModelError, ValueError):
    """Embeddings of different models cannot be compared."""


class RuntimeMissingError(GhostFaceError, ImportError):
    """An inference runtime or an optional dependency is not installed."""


class ThresholdError(GhostFaceError, ValueError):
    """The model card has no threshold for the requested FMR and detector, or a table of thresholds is unusable."""


class GalleryError(GhostFaceError):
    """A gallery file that cannot be opened, read or written."""


class UnknownPersonError(GalleryError, LookupError):
    """The gallery holds nobody of that name."""


class StoreError(GhostFaceError):
    """The model store cannot deliver a file."""


class UnknownModelError(StoreError, LookupError):
    """The store has no entry of that name; the message lists the ones it has."""


class MissingModelError(StoreError, LookupError):
    """A known model is neither in the store nor in a searched folder, and no download was allowed."""


class ChecksumError(StoreError):
    """A file's sha256 is not the pinned one."""


class DownloadError(StoreError):
    """A download failed or was cut short; nothing was left behind."""


class ConversionError(GhostFaceError):
    """A checkpoint could not be converted."""


class CheckpointError(ConversionError, ValueError):
    """Not a checkpoint that the converter reads, or a damaged one."""


class UnsupportedLayerError(ConversionError, ValueError):
    """A layer outside the supported set; the message has its name, class, position and inputs."""


class CalibrationError(ConversionError, ValueError):
    """Calibration faces or saved statistics that cannot be used: too few, no faces, of another checkpoint."""


class GateError(ConversionError):
    """A model was converted and lost more than its gate allows; it was not put in place, its report was."""


class EvaluationError(GhostFaceError, ValueError):
    """A protocol file or a data set that cannot be evaluated."""
