"""Classes of instructions: words by hand from the encodings of the Arm ARM, and LLVM's disassembler on random ones."""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess

import pytest

from ghostface_edge.benchmarks.arm.instructions import CLASSES, RULES, Tally, classify, rules_header

# Fields as in the diagrams of the Arm ARM, sections C6.2 and C7.2, the highest bit first; Rm = 3, Rn = 2, Rd = 1.
BY_HAND = [
    # LDR (immediate): size 111 V 01 opc imm12 Rn Rt
    ("ldr w1, [x2, #4]", "10 111 0 01 01 000000000001 00010 00001", "load"),
    ("str w1, [x2, #4]", "10 111 0 01 00 000000000001 00010 00001", "store"),
    ("ldrsw x1, [x2, #4]", "10 111 0 01 10 000000000001 00010 00001", "load"),
    ("prfm pldl1keep, [x2, #8]", "11 111 0 01 10 000000000001 00010 00000", "other"),
    # 128 bits of a SIMD register are size 00; a store has opc<0> = 0
    ("ldr q1, [x2, #16]", "00 111 1 01 11 000000000001 00010 00001", "load"),
    ("str q1, [x2, #16]", "00 111 1 01 10 000000000001 00010 00001", "store"),
    # LDR (register): size 111 V 00 opc 1 Rm option S 10 Rn Rt
    ("ldr x1, [x2, x3]", "11 111 0 00 01 1 00011 011 0 10 00010 00001", "load"),
    # LDR (literal): opc 011 V 00 imm19 Rt
    ("ldr x1, #8", "01 011 0 00 0000000000000000010 00001", "load"),
    ("ldr q1, #16", "10 011 1 00 0000000000000000100 00001", "load"),
    # LDP: opc 101 V 010 L imm7 Rt2 Rn Rt
    ("ldp q1, q3, [x2]", "10 101 1 010 1 0000000 00011 00010 00001", "load"),
    ("stp x1, x3, [x2]", "10 101 0 010 0 0000000 00011 00010 00001", "store"),
    # LD1 (multiple structures), one register: 0 Q 0011000 L 000000 opcode size Rn Rt
    ("ld1 {v1.4s}, [x2]", "0 1 0011000 1 000000 0111 10 00010 00001", "load"),
    ("st1 {v1.4s}, [x2]", "0 1 0011000 0 000000 0111 10 00010 00001", "store"),
    # LDADD: size 111 V 00 A R 1 Rs o3 opc 00 Rn Rt
    ("ldadd w3, w1, [x2]", "10 111 0 00 0 0 1 00011 0 000 00 00010 00001", "load"),
    # FMLA (vector): 0 Q U 01110 op sz 1 Rm 110011 Rn Rd; FADD (vector) has 110101
    ("fmla v1.4s, v2.4s, v3.4s", "0 1 0 01110 0 0 1 00011 110011 00010 00001", "float_multiply"),
    ("fadd v1.4s, v2.4s, v3.4s", "0 1 0 01110 0 0 1 00011 110101 00010 00001", "other"),
    # FMLA (by element): 0 Q 0 01111 1 sz L M Rm 0001 H 0 Rn Rd; float16 has 00 for 1 sz
    ("fmla v1.4s, v2.4s, v3.s[0]", "0 1 0 01111 1 0 0 0 0011 0001 0 0 00010 00001", "float_multiply"),
    ("fmla v1.8h, v2.8h, v3.h[0]", "0 1 0 01111 0 0 0 0 0011 0001 0 0 00010 00001", "half_multiply"),
    # FMLA (vector), half precision: 0 Q 0 01110 a 10 Rm 00 001 1 Rn Rd
    ("fmla v1.8h, v2.8h, v3.8h", "0 1 0 01110 0 10 00011 00 001 1 00010 00001", "half_multiply"),
    # FMADD: 0 0 0 11111 ftype 0 Rm 0 Ra Rn Rd
    ("fmadd s1, s2, s3, s4", "0 0 0 11111 00 0 00011 0 00100 00010 00001", "float_multiply"),
    ("fmadd h1, h2, h3, h4", "0 0 0 11111 11 0 00011 0 00100 00010 00001", "half_multiply"),
    # SDOT and UDOT (vector): 0 Q U 01110 size 0 Rm 1 0010 1 Rn Rd; by element: 0 Q U 01111 size L M Rm 1110 H 0 Rn Rd
    ("sdot v1.4s, v2.16b, v3.16b", "0 1 0 01110 10 0 00011 1 0010 1 00010 00001", "dot_product"),
    ("udot v1.4s, v2.16b, v3.16b", "0 1 1 01110 10 0 00011 1 0010 1 00010 00001", "dot_product"),
    ("sdot v1.4s, v2.16b, v3.4b[0]", "0 1 0 01111 10 0 0 0011 1110 0 0 00010 00001", "dot_product"),
    # SMLAL: 0 Q U 01110 size 1 Rm 1000 00 Rn Rd; SMULL has 1100, and PMULL, of polynomials, 1110
    ("smlal v1.4s, v2.4h, v3.4h", "0 0 0 01110 01 1 00011 1000 00 00010 00001", "int_multiply"),
    ("smull v1.8h, v2.8b, v3.8b", "0 0 0 01110 00 1 00011 1100 00 00010 00001", "int_multiply"),
    ("pmull v1.8h, v2.8b, v3.8b", "0 0 0 01110 00 1 00011 1110 00 00010 00001", "other"),
    # MUL (vector): 0 Q 0 01110 size 1 Rm 10011 1 Rn Rd
    ("mul v1.4s, v2.4s, v3.4s", "0 1 0 01110 10 1 00011 10011 1 00010 00001", "int_multiply"),
    # MADD: sf 00 11011 000 Rm 0 Ra Rn Rd; ADD (shifted register): sf 0 0 01011 shift 0 Rm imm6 Rn Rd; B: 000101 imm26
    ("madd x1, x2, x3, x4", "1 00 11011 000 00011 0 00100 00010 00001", "int_multiply"),
    ("add x1, x2, x3", "1 0 0 01011 00 0 00011 000000 00010 00001", "other"),
    ("b #16", "000101 00000000000000000000000100", "other"),
]


def by_hand(fields: str) -> int:
    """The word that the fields make."""
    digits = fields.replace(" ", "")
    assert len(digits) == 32
    return int(digits, 2)


@pytest.mark.parametrize(("text", "fields", "kind"), BY_HAND, ids=[text for text, _, _ in BY_HAND])
def test_words_by_hand(text: str, fields: str, kind: str) -> None:
    assert classify(by_hand(fields)) == kind


needs_llvm = pytest.mark.skipif(shutil.which("llvm-mc") is None, reason="llvm-mc is missing: apt-get install llvm")


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


@needs_llvm
def test_the_words_by_hand_are_what_they_are_called() -> None:
    found = disassembled([by_hand(fields) for _, fields, _ in BY_HAND])
    plain = [
        " ".join(f"{mnemonic} {operands}".replace("{ ", "{").replace(" }", "}").split())
        for _, mnemonic, operands in found
    ]
    assert plain == [text for text, _, _ in BY_HAND]


@needs_llvm
def test_random_words_are_what_llvm_calls_them() -> None:
    generator = random.Random(0)
    # most of them among loads, stores and SIMD, where the rules are
    words = [generator.getrandbits(32) for _ in range(20000)]
    words += [generator.getrandbits(32) & ~0x02000000 | 0x08000000 for _ in range(20000)]
    words += [generator.getrandbits(32) | 0x0E000000 for _ in range(60000)]
    found = disassembled(words)
    assert len(found) > 20000
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
