"""Classes of instructions: words by hand from the encodings of the Arm ARM, and LLVM's disassembler on random ones."""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess

import pytest

from ghostface_edge.benchmarks.arm.instructions import CLASSES, RULES, Tally, classify, rules_header


def bits(*fields: tuple[int, int]) -> int:
    """A word from its fields, (value, width), the highest first."""
    word, used = 0, 0
    for value, width in fields:
        assert 0 <= value < 1 << width
        word, used = word << width | value, used + width
    assert used == 32
    return word


# Fields in the order of the diagrams in the Arm ARM, section C6.2 and C7.2; Rm = 3, Rn = 2, Rd = 1 throughout.
BY_HAND = [
    # LDR (immediate), unsigned offset: size 111 V 01 opc imm12 Rn Rt
    ("ldr w1, [x2, #4]", bits((2, 2), (7, 3), (0, 1), (1, 2), (1, 2), (1, 12), (2, 5), (1, 5)), "load"),
    ("str w1, [x2, #4]", bits((2, 2), (7, 3), (0, 1), (1, 2), (0, 2), (1, 12), (2, 5), (1, 5)), "store"),
    ("ldrsw x1, [x2, #4]", bits((2, 2), (7, 3), (0, 1), (1, 2), (2, 2), (1, 12), (2, 5), (1, 5)), "load"),
    ("prfm pldl1keep, [x2, #8]", bits((3, 2), (7, 3), (0, 1), (1, 2), (2, 2), (1, 12), (2, 5), (0, 5)), "other"),
    # of SIMD registers 128 bits are size 00, opc 11 and 10: a store has opc<0> = 0
    ("ldr q1, [x2, #16]", bits((0, 2), (7, 3), (1, 1), (1, 2), (3, 2), (1, 12), (2, 5), (1, 5)), "load"),
    ("str q1, [x2, #16]", bits((0, 2), (7, 3), (1, 1), (1, 2), (2, 2), (1, 12), (2, 5), (1, 5)), "store"),
    # LDR (register): size 111 V 00 opc 1 Rm option S 10 Rn Rt
    ("ldr x1, [x2, x3]", bits((3, 2), (7, 3), (0, 3), (1, 2), (1, 1), (3, 5), (3, 3), (0, 1), (2, 2), (2, 5), (1, 5)), "load"),
    # LDR (literal): opc 011 V 00 imm19 Rt
    ("ldr x1, #8", bits((1, 2), (3, 3), (0, 1), (0, 2), (2, 19), (1, 5)), "load"),
    ("ldr q1, #16", bits((2, 2), (3, 3), (1, 1), (0, 2), (4, 19), (1, 5)), "load"),
    # LDP: opc 101 V 010 L imm7 Rt2 Rn Rt
    ("ldp q1, q3, [x2]", bits((2, 2), (5, 3), (1, 1), (2, 3), (1, 1), (0, 7), (3, 5), (2, 5), (1, 5)), "load"),
    ("stp x1, x3, [x2]", bits((2, 2), (5, 3), (0, 1), (2, 3), (0, 1), (0, 7), (3, 5), (2, 5), (1, 5)), "store"),
    # LD1 (multiple structures), one register: 0 Q 0011000 L 000000 opcode size Rn Rt
    ("ld1 {v1.4s}, [x2]", bits((0, 1), (1, 1), (0x18, 7), (1, 1), (0, 6), (7, 4), (2, 2), (2, 5), (1, 5)), "load"),
    ("st1 {v1.4s}, [x2]", bits((0, 1), (1, 1), (0x18, 7), (0, 1), (0, 6), (7, 4), (2, 2), (2, 5), (1, 5)), "store"),
    # LDADD: size 111 V 00 A R 1 Rs o3 opc 00 Rn Rt
    ("ldadd w3, w1, [x2]", bits((2, 2), (7, 3), (0, 3), (0, 2), (1, 1), (3, 5), (0, 1), (0, 3), (0, 2), (2, 5), (1, 5)), "load"),
    # FMLA (vector): 0 Q U 01110 op sz 1 Rm 110011 Rn Rd
    ("fmla v1.4s, v2.4s, v3.4s", bits((0, 1), (1, 1), (0, 1), (14, 5), (0, 1), (0, 1), (1, 1), (3, 5), (0x33, 6), (2, 5), (1, 5)), "float_multiply"),
    # FMLA (by element): 0 Q 0 01111 1 sz L M Rm o2=0 001 -> opcode 0001 H 0 Rn Rd
    ("fmla v1.4s, v2.4s, v3.s[0]", bits((0, 1), (1, 1), (15, 6), (2, 2), (0, 2), (3, 4), (1, 4), (0, 2), (2, 5), (1, 5)), "float_multiply"),
    # the same of float16: size 00
    ("fmla v1.8h, v2.8h, v3.h[0]", bits((0, 1), (1, 1), (15, 6), (0, 2), (0, 2), (3, 4), (1, 4), (0, 2), (2, 5), (1, 5)), "half_multiply"),
    # FMLA (vector), half precision: 0 Q 0 01110 a 10 Rm 00 001 1 Rn Rd
    ("fmla v1.8h, v2.8h, v3.8h", bits((0, 1), (1, 1), (0, 1), (14, 5), (0, 1), (2, 2), (3, 5), (0, 2), (1, 3), (1, 1), (2, 5), (1, 5)), "half_multiply"),
    # FMADD: 0 0 0 11111 ftype 0 Rm 0 Ra Rn Rd
    ("fmadd s1, s2, s3, s4", bits((0x1F, 8), (0, 2), (0, 1), (3, 5), (0, 1), (4, 5), (2, 5), (1, 5)), "float_multiply"),
    ("fmadd h1, h2, h3, h4", bits((0x1F, 8), (3, 2), (0, 1), (3, 5), (0, 1), (4, 5), (2, 5), (1, 5)), "half_multiply"),
    # FADD (vector): 0 Q 0 01110 0 sz 1 Rm 110101 Rn Rd
    ("fadd v1.4s, v2.4s, v3.4s", bits((0, 1), (1, 1), (0, 1), (14, 5), (0, 2), (1, 1), (3, 5), (0x35, 6), (2, 5), (1, 5)), "other"),
    # SDOT and UDOT (vector): 0 Q U 01110 size=10 0 Rm 1 0010 1 Rn Rd
    ("sdot v1.4s, v2.16b, v3.16b", bits((0, 1), (1, 1), (0, 1), (14, 5), (2, 2), (0, 1), (3, 5), (1, 1), (2, 4), (1, 1), (2, 5), (1, 5)), "dot_product"),
    ("udot v1.4s, v2.16b, v3.16b", bits((0, 1), (1, 1), (1, 1), (14, 5), (2, 2), (0, 1), (3, 5), (1, 1), (2, 4), (1, 1), (2, 5), (1, 5)), "dot_product"),
    # SDOT (by element): 0 Q U 01111 size=10 L M Rm 1110 H 0 Rn Rd
    ("sdot v1.4s, v2.16b, v3.4b[0]", bits((0, 1), (1, 1), (0, 1), (15, 5), (2, 2), (0, 2), (3, 4), (14, 4), (0, 2), (2, 5), (1, 5)), "dot_product"),
    # SMLAL: 0 Q U 01110 size 1 Rm 1000 00 Rn Rd; SMULL has opcode 1100; PMULL, of polynomials, 1110
    ("smlal v1.4s, v2.4h, v3.4h", bits((0, 1), (0, 1), (0, 1), (14, 5), (1, 2), (1, 1), (3, 5), (8, 4), (0, 2), (2, 5), (1, 5)), "int_multiply"),
    ("smull v1.8h, v2.8b, v3.8b", bits((0, 1), (0, 1), (0, 1), (14, 5), (0, 2), (1, 1), (3, 5), (12, 4), (0, 2), (2, 5), (1, 5)), "int_multiply"),
    # MUL (vector): 0 Q 0 01110 size 1 Rm 10011 1 Rn Rd
    ("mul v1.4s, v2.4s, v3.4s", bits((0, 1), (1, 1), (0, 1), (14, 5), (2, 2), (1, 1), (3, 5), (0x13, 5), (1, 1), (2, 5), (1, 5)), "int_multiply"),
    # MADD: sf 00 11011 000 Rm 0 Ra Rn Rd
    ("madd x1, x2, x3, x4", bits((1, 1), (0, 2), (0x1B, 5), (0, 3), (3, 5), (0, 1), (4, 5), (2, 5), (1, 5)), "int_multiply"),
    # ADD (shifted register): sf 0 0 01011 shift 0 Rm imm6 Rn Rd; B: 000101 imm26
    ("add x1, x2, x3", bits((1, 1), (0, 2), (11, 5), (0, 3), (3, 5), (0, 6), (2, 5), (1, 5)), "other"),
    ("b #16", bits((5, 6), (4, 26)), "other"),
    ("nop", 0xD503201F, "other"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "word", "kind"), BY_HAND, ids=[text for text, _, _ in BY_HAND])
def test_words_by_hand(text: str, word: int, kind: str) -> None:
    assert classify(word) == kind


def disassembled(words: list[int]) -> list[tuple[int, str, str]]:
    """The words that are instructions of a Cortex-A76, with mnemonic and operands, by LLVM."""
    text = "\n".join(" ".join(f"{byte:#04x}" for byte in struct.pack("<I", word)) for word in words)
    command = ["llvm-mc", "-disassemble", "-triple=aarch64", "-mcpu=cortex-a76"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    invalid = {int(line) - 1 for line in re.findall(r"<stdin>:(\d+):\d+: warning: invalid", done.stderr)}
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip() and not line.strip().startswith(".")]
    known = [word for number, word in enumerate(words) if number not in invalid]
    assert len(known) == len(lines)
    return [(word, *line.partition("\t")[::2]) for word, line in zip(known, lines)]


INTEGER_PRODUCT = re.compile(
    r"(mul|mla|mls|madd|msub|mneg|[su]m(add|sub|neg|ul|la|ls)l|sqdm(ul|la|ls)l|sqr?dmulh|sqrdml[as]h|[su]mulh)2?"
)


def expected(mnemonic: str, operands: str) -> str:
    """The class that a name stands for."""
    # STADD and its kin are LDADD and its kin without a register for what was loaded
    if re.match(r"ld|cas|swp|st(add|clr|eor|set|[su]max|[su]min)", mnemonic):
        return "load"
    if mnemonic.startswith("st"):
        return "store"
    if mnemonic in ("sdot", "udot"):
        return "dot_product"
    if re.fullmatch(r"fn?m(la|ls|ul|ulx|add|sub)", mnemonic):
        return "half_multiply" if re.search(r"\.(4|8)?h\b|\bh\d", operands) else "float_multiply"
    return "int_multiply" if INTEGER_PRODUCT.fullmatch(mnemonic) else "other"


@pytest.mark.skipif(shutil.which("llvm-mc") is None, reason="llvm-mc is missing: apt-get install llvm")
def test_random_words_are_what_llvm_calls_them() -> None:
    generator = random.Random(0)
    # half of them among loads, stores and SIMD, where the rules are
    words = [generator.getrandbits(32) for _ in range(40000)]
    words += [generator.getrandbits(32) & ~0x02000000 | 0x08000000 for _ in range(40000)]
    words += [generator.getrandbits(32) | 0x0E000000 for _ in range(120000)]
    found = disassembled(words)
    assert len(found) > 40000
    wrong = {
        f"{word:#010x} {mnemonic} {operands}: {classify(word)}"
        for word, mnemonic, operands in found
        if classify(word) != expected(mnemonic.split(".")[0], operands)
    }
    assert not wrong
    assert {classify(word) for word, _, _ in found} == set(CLASSES)


def test_the_header_has_every_rule_in_order() -> None:
    rules = re.findall(r"\{(0x[0-9a-f]{8})u, (0x[0-9a-f]{8})u, (\d)\}", rules_header())
    assert [(int(mask, 16), int(value, 16), CLASSES[int(kind)]) for mask, value, kind in rules] == [
        (rule.mask, rule.value, rule.kind) for rule in RULES
    ]


def test_a_rule_asks_for_no_bit_outside_its_mask() -> None:
    assert not [rule for rule in RULES if rule.value & ~rule.mask]


def test_tallies() -> None:
    first = Tally({name: float(number) for number, name in enumerate(CLASSES)})
    later = Tally({name: 3.0 * number + 4 for number, name in enumerate(CLASSES)})
    each = (later - first) / 2
    assert [each.by_class[name] for name in CLASSES] == [2, 3, 4, 5, 6, 7, 8]
    assert each.total == 35
    assert each.to_dict() == {"total": 35, **each.by_class}
