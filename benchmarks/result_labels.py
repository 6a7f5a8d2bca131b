"""What rows of one table are called: by that in which they differ; the rest is said once."""

from __future__ import annotations

from collections.abc import Sequence

from .run_file import Row
from .samples import Subject

_HASH_LETTERS = 12


class RowLabels:
    """Labels of some rows.

    Args:
        rows: All that stand together.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        subjects = [row.subject for row in rows]
        columns = [set(column) for column in zip(*map(_parts, subjects))]
        self._differ = [len(column) > 1 for column in columns]
        named = {_parts(subject) for subject in subjects}
        self._with_hash = len(named) < len(subjects)
        self.common = ", ".join(part for column in columns if len(column) == 1 for part in column if part)
        """What all rows share."""

    def of(self, subject: Subject) -> tuple[str, ...]:
        """What tells a row from the others; its name where nothing does."""
        parts = [part for part, differs in zip(_parts(subject), self._differ) if differs and part]
        if self._with_hash:
            parts.append(f"sha256 {subject.file_sha256[:_HASH_LETTERS] or 'none'}")
        return tuple(parts) or (subject.name,)


def _parts(subject: Subject) -> tuple[str, ...]:
    threads = f"{subject.threads} thread{'' if subject.threads == 1 else 's'}" if subject.threads else ""
    return subject.name, subject.precision, subject.runtime, threads, subject.stage
