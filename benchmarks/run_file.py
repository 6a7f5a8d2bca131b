"""The file of a benchmark's results: one JSON schema for all kinds, described in ``docs/benchmarks.md``."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ghostface_edge.atomic import replacing
from ghostface_edge.errors import EvaluationError, OptionError

from .device import Condition, Device
from .fields import Fields
from .samples import Subject, Summary

SCHEMA = 1
"""Version of the schema; another one is refused."""

KINDS = ("latency", "pipeline", "peers", "arm", "macs")
"""What may have been measured."""

LARGEST_FILE = 64 << 20
"""Bytes; a file of results has some kilobytes."""


@dataclass(frozen=True)
class Row:
    """Results of one subject.

    Attributes:
        subject: What was measured; no two rows of a run have the same.
        summary: Its times; None where none were taken.
        figures: What else is known of it, by name: plain values for JSON.
    """

    subject: Subject
    summary: Summary | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        summary = None if self.summary is None else self.summary.to_dict()
        return {"subject": self.subject.to_dict(), "summary": summary, "figures": dict(self.figures)}


@dataclass(frozen=True)
class Run:
    """One run of a benchmark.

    Attributes:
        kind: One of :data:`KINDS`.
        device: What it ran on.
        conditions: How the device was before and after; empty where nothing was timed.
        settings: What was asked for, by name: plain values for JSON.
        rows: Results by subject.
        complete: False where the run was interrupted.
        command: The command line.
        created: When it ended, ISO 8601 in UTC.
    """

    kind: str
    device: Device
    conditions: tuple[Condition, ...]
    settings: Mapping[str, Any]
    rows: tuple[Row, ...]
    complete: bool = True
    command: tuple[str, ...] = field(default_factory=lambda: command_line())
    created: str = field(default_factory=lambda: now())

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EvaluationError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        if len(self.conditions) not in (0, 2):
            raise EvaluationError(f"conditions are two, before and after, or none; not {len(self.conditions)}")
        try:
            ends_in_utc = datetime.fromisoformat(self.created).utcoffset() == timezone.utc.utcoffset(None)
        except ValueError:
            ends_in_utc = False
        if not ends_in_utc:
            raise EvaluationError(f"created must be a time such as 2026-01-31T12:00:00+00:00, not {self.created!r:.60}")
        for subject, count in Counter(row.subject for row in self.rows).items():
            if count > 1:
                raise EvaluationError(f"two rows are of the same subject: {subject}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the schema."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "created": self.created,
            "complete": self.complete,
            "command": list(self.command),
            "device": self.device.to_dict(),
            "conditions": [condition.to_dict() for condition in self.conditions],
            "settings": dict(self.settings),
            "rows": [row.to_dict() for row in self.rows],
        }

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file whole or not at all.

        Raises:
            OptionError: It cannot be written there.
            EvaluationError: A figure or setting is no plain value, or NaN or infinity.
        """
        try:
            text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise EvaluationError(f"results that cannot be written as JSON: {error}") from error
        try:
            with replacing(path) as file:
                file.write(text.encode() + b"\n")
        except OSError as error:
            raise OptionError(f"cannot write {os.fsdecode(path)}: {error.strerror or error}") from error

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Run:
        """Read a file that :meth:`write` made, strictly.

        Raises:
            EvaluationError: It cannot be read, is no JSON, or a field is missing, unknown or wrong; the message names
                the field.
        """
        name = os.fsdecode(path)
        try:
            with Path(name).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:
            raise EvaluationError(
                f"cannot read results from {name}: {getattr(error, 'strerror', None) or error}"
            ) from error
        if len(data) > LARGEST_FILE:
            raise EvaluationError(f"{name} is larger than {LARGEST_FILE >> 20} MiB: that is no file of results")
        try:
            document = json.loads(data.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise EvaluationError(f"{name} is no JSON: {error}") from error
        return cls.from_dict(document, name)

    @classmethod
    def from_dict(cls, document: Any, where: str = "results") -> Run:
        """What :meth:`to_dict` gave.

        Raises:
            EvaluationError: A field is missing, unknown or wrong; the message names it.
        """
        fields = Fields(document, where)
        if (version := fields.whole("schema")) != SCHEMA:
            raise EvaluationError(f"{where}.schema is {version}, and this version reads {SCHEMA}")
        conditions = [
            Condition.from_dict(item, fields.path(f"conditions[{number}]"))
            for number, item in enumerate(fields.items("conditions"))
        ]
        rows = [_row(item, fields.path(f"rows[{number}]")) for number, item in enumerate(fields.items("rows"))]
        device = Device.from_dict(fields.mapping("device"), fields.path("device"))
        try:
            run = cls(
                kind=fields.text("kind"),
                device=device,
                conditions=tuple(conditions),
                settings=fields.plain("settings"),
                rows=tuple(rows),
                complete=fields.flag("complete"),
                command=fields.texts("command"),
                created=fields.text("created"),
            )
        except EvaluationError as error:
            raise error if str(error).startswith(where) else EvaluationError(f"{where}: {error}") from error
        fields.done()
        return run


def now() -> str:
    """This moment, ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def command_line() -> tuple[str, ...]:
    """How this program was called: its name and the arguments, of absolute paths the last part alone.

    Folders have names of people and machines, and the file is made to be given away.
    """
    return tuple(_without_folder(word) for word in (os.path.abspath(sys.argv[0]), *sys.argv[1:]))


def _without_folder(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return f"{option}{equals}{os.path.basename(os.path.normpath(value)) if os.path.isabs(value) else value}"


def _row(document: Any, where: str) -> Row:
    fields = Fields(document, where)
    summary = fields.any("summary")
    row = Row(
        subject=Subject.from_dict(fields.mapping("subject"), fields.path("subject")),
        summary=None if summary is None else Summary.from_dict(summary, fields.path("summary")),
        figures=fields.plain("figures"),
    )
    fields.done()
    return row


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number in JSON")
