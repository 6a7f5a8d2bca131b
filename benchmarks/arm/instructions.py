"""Which class an AArch64 instruction belongs to, by its 32 bits.

The rules are those of the *Arm Architecture Reference Manual for A-profile* (DDI 0487), section C4.1, "A64 instruction
set encoding". The first rule that fits decides. They stand here alone: :func:`rules_header` hands them to the counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLASSES = ("load", "store", "float_multiply", "half_multiply", "int_multiply", "dot_product", "other")
"""In the order in which they are counted.

``load`` is all that brings memory into registers, ``store`` the reverse; an atomic operation, which does both, is a
load, and a prefetch is neither. The multiplications are those with and without an addition, of one value or of a
vector: of float32 and float64, of float16, of integers. ``dot_product`` is SDOT, UDOT and their kin, matrix products
among them.
"""


@dataclass(frozen=True)
class Rule:
    """A word belongs to ``kind`` where ``word & mask == value``."""

    mask: int
    value: int
    kind: str


_LOADS_AND_STORES = (
    # PRFM: literal, immediate, register; PRFUM
    (0xFF000000, 0xD8000000, "other"),
    (0xFFC00000, 0xF9800000, "other"),
    (0xFFE00C00, 0xF8A00800, "other"),
    (0xFFE00C00, 0xF8800000, "other"),
    # atomic memory operations, SWP and LDAPR among them
    (0x3B200C00, 0x38200000, "load"),
    # LDAPUR and STLUR
    (0x3FE00C00, 0x19000000, "store"),
    (0x3F200C00, 0x19000000, "load"),
    # LDR (literal), vector registers included
    (0x3B000000, 0x18000000, "load"),
    # LDP, LDNP, STP, STNP; LDXR, LDAR, CAS and STXR, STLR; LD1 to LD4 and ST1 to ST4: bit 22 says which
    (0x3A400000, 0x28400000, "load"),
    (0x3A400000, 0x28000000, "store"),
    (0xBFA07C00, 0x08207C00, "load"),  # CASP
    (0x3FA07C00, 0x08A07C00, "load"),  # CAS
    (0x3F400000, 0x08400000, "load"),
    (0x3F400000, 0x08000000, "store"),
    (0xBE400000, 0x0C400000, "load"),
    (0xBE400000, 0x0C000000, "store"),
    # LDR and STR, all other addressing: vector registers, then general ones, where opc = 00 stores
    (0x3E400000, 0x3C400000, "load"),
    (0x3E400000, 0x3C000000, "store"),
    (0x3EC00000, 0x38000000, "store"),
    (0x3E000000, 0x38000000, "load"),
)
_DOT_PRODUCTS = (
    # SDOT and UDOT, USDOT, SMMLA and its kin; by element SDOT and UDOT, USDOT and SUDOT
    (0xBFE0FC00, 0x0E809400, "dot_product"),
    (0xBFE0FC00, 0x2E809400, "dot_product"),
    (0xBFE0FC00, 0x0E809C00, "dot_product"),
    (0xDFE0F400, 0x4E80A400, "dot_product"),
    (0x9FC0F400, 0x0F80E000, "dot_product"),
    (0xBF40F400, 0x0F00F000, "dot_product"),
)
_FLOAT_MULTIPLICATIONS = (
    # FMLA and FMLS, FMUL and FMULX of vectors; the same of float16
    (0xBF20FC00, 0x0E20CC00, "float_multiply"),
    (0x9FA0FC00, 0x0E20DC00, "float_multiply"),
    (0xBF60FC00, 0x0E400C00, "half_multiply"),
    (0x9FE0FC00, 0x0E401C00, "half_multiply"),
    # by element, of vectors and (bits 30 and 28 set) of one value
    (0xBF80B400, 0x0F801000, "float_multiply"),
    (0x9F80F400, 0x0F809000, "float_multiply"),
    (0xBFC0B400, 0x0F001000, "half_multiply"),
    (0x9FC0F400, 0x0F009000, "half_multiply"),
    (0xFF80B400, 0x5F801000, "float_multiply"),
    (0xDF80F400, 0x5F809000, "float_multiply"),
    (0xFFC0B400, 0x5F001000, "half_multiply"),
    (0xDFC0F400, 0x5F009000, "half_multiply"),
    # FMULX of one value
    (0xFFA0FC00, 0x5E20DC00, "float_multiply"),
    (0xFFE0FC00, 0x5E401C00, "half_multiply"),
    # FMADD and its kin, FMUL and FNMUL of one value; ftype = 11 is float16
    (0xFFC00000, 0x1FC00000, "half_multiply"),
    (0xFF000000, 0x1F000000, "float_multiply"),
    (0xFFE07C00, 0x1EE00800, "half_multiply"),
    (0xFF207C00, 0x1E200800, "float_multiply"),
)
_INT_MULTIPLICATIONS = (
    # MLA and MLS, MUL, SQDMULH and SQRDMULH, SQRDMLAH and SQRDMLSH
    (0x9F20FC00, 0x0E209400, "int_multiply"),
    (0xBF20FC00, 0x0E209C00, "int_multiply"),
    (0x9F20FC00, 0x0E20B400, "int_multiply"),
    (0xBF20F400, 0x2E008400, "int_multiply"),
    # widening: SMLAL, SMLSL, SQDMLAL, SQDMLSL and unsigned; SMULL, SQDMULL and unsigned
    (0x9F20CC00, 0x0E208000, "int_multiply"),
    (0x9F20EC00, 0x0E20C000, "int_multiply"),
    # by element: MUL; MLA and MLS; SMLAL and SMLSL; SMULL; SQDMLAL and SQDMLSL; SQDMULL; SQDMULH;
    # SQRDMULH and SQRDMLAH; SQRDMLSH
    (0xBF00F400, 0x0F008000, "int_multiply"),
    (0xBF00B400, 0x2F000000, "int_multiply"),
    (0x9F00B400, 0x0F002000, "int_multiply"),
    (0x9F00F400, 0x0F00A000, "int_multiply"),
    (0xBF00B400, 0x0F003000, "int_multiply"),
    (0xBF00F400, 0x0F00B000, "int_multiply"),
    (0xBF00F400, 0x0F00C000, "int_multiply"),
    (0x9F00F400, 0x0F00D000, "int_multiply"),
    (0xBF00F400, 0x2F00F000, "int_multiply"),
    # of one value: SQDMULH and SQRDMULH, SQRDMLAH and SQRDMLSH, SQDMLAL, SQDMLSL and SQDMULL; the same by element
    (0xDF20FC00, 0x5E20B400, "int_multiply"),
    (0xFF20F400, 0x7E008400, "int_multiply"),
    (0xFF20DC00, 0x5E209000, "int_multiply"),
    (0xFF20FC00, 0x5E20D000, "int_multiply"),
    (0xFF00B400, 0x5F003000, "int_multiply"),
    (0xFF00F400, 0x5F00B000, "int_multiply"),
    (0xFF00F400, 0x5F00C000, "int_multiply"),
    (0xDF00F400, 0x5F00D000, "int_multiply"),
    (0xFF00F400, 0x7F00F000, "int_multiply"),
    # general registers: MADD and MSUB, SMADDL, SMULH and unsigned
    (0x7F000000, 0x1B000000, "int_multiply"),
)

RULES = tuple(
    Rule(*rule) for rule in (*_LOADS_AND_STORES, *_DOT_PRODUCTS, *_FLOAT_MULTIPLICATIONS, *_INT_MULTIPLICATIONS)
)
"""What no rule fits is ``other``."""


def classify(word: int) -> str:
    """The class of an instruction, one of :data:`CLASSES`.

    Args:
        word: Its 32 bits, as a number.
    """
    return next((rule.kind for rule in RULES if word & rule.mask == rule.value), "other")


def rules_header() -> str:
    """The rules as a C header: ``CLASSES``, ``names`` and ``rules``."""
    names = ", ".join(f'"{name}"' for name in CLASSES)
    rules = "\n".join(f"    {{{rule.mask:#010x}u, {rule.value:#010x}u, {CLASSES.index(rule.kind)}}}," for rule in RULES)
    return (
        f"enum {{ CLASSES = {len(CLASSES)}, OTHER = {CLASSES.index('other')} }};\n"
        f"static const char *const names[CLASSES] = {{{names}}};\n"
        f"static const struct {{ uint32_t mask, value; unsigned kind; }} rules[] = {{\n{rules}\n}};\n"
    )


@dataclass(frozen=True)
class Tally:
    """Instructions executed, by class.

    Attributes:
        by_class: For each of :data:`CLASSES`; fractions where it is a mean.
    """

    by_class: Mapping[str, float]

    @property
    def total(self) -> float:
        """Of all classes."""
        return sum(self.by_class.values())

    def __sub__(self, other: Tally) -> Tally:
        return Tally({name: self.by_class[name] - other.by_class[name] for name in CLASSES})

    def __truediv__(self, number: int) -> Tally:
        return Tally({name: self.by_class[name] / number for name in CLASSES})

    def to_dict(self) -> dict[str, float]:
        """``total``, then each class."""
        return {"total": self.total, **self.by_class}
