"""Disassembles kernels, because a target's row of schedules/targets.json says less than Halide's features do:
those that let it emit VNNI name CPUs that have more.

    test_instructions.py OBJDUMP FOLDER_OF_KERNELS"""

import subprocess
import sys
import unittest
from collections import Counter
from pathlib import Path

OBJDUMP, KERNELS = sys.argv[1], Path(sys.argv[2])

# Of Zen 4 or Sapphire Rapids and not of the first CPUs with VNNI, by CPU flag; beginnings of mnemonics.
LATER = {
    "avx512ifma": ("vpmadd52",),
    "avx512_vbmi": ("vpermb", "vpermi2b", "vpermt2b", "vpmultishiftqb"),
    "avx512_vbmi2": ("vpcompressb", "vpcompressw", "vpexpandb", "vpexpandw", "vpshld", "vpshrd"),
    "avx512_bitalg and avx512_vpopcntdq": ("vpopcnt", "vpshufbitqmb"),
    "avx512_bf16": ("vcvtne2ps2bf16", "vcvtneps2bf16", "vdpbf16ps"),
    "avx512_fp16": ("vaddph", "vsubph", "vmulph", "vcvtps2phx", "vcvtph2psx", "vcvtdq2ph", "vfmadd132ph",
                    "vfmadd213ph", "vfmadd231ph", "vmovw"),
    "amx": ("tdp", "tileload", "tilestore", "tilezero", "ldtilecfg"),
    "gfni": ("gf2p8", "vgf2p8"),
    "vaes and vpclmulqdq": ("vaes", "vpclmul"),
    "sse4a": ("extrq", "insertq", "movntss", "movntsd"),
}
MULTIPLY_ADDS = ("vfmadd", "vfmsub", "vfnmadd", "vfnmsub")


def mnemonics(library: Path) -> Counter:
    done = subprocess.run([OBJDUMP, "-d", "--no-show-raw-insn", library], capture_output=True, text=True,
                          check=True)
    found: Counter = Counter()
    for line in done.stdout.splitlines():
        address, colon, instruction = line.partition(":\t")
        if colon and address.strip():
            found.update(instruction.split()[:1])
    return found


def kernels(pattern: str) -> dict[str, Counter]:
    return {path.name: mnemonics(path) for path in sorted(KERNELS.glob(f"lib{pattern}.a"))}


class Instructions(unittest.TestCase):
    def test_vnni_kernels_run_on_every_cpu_that_has_vnni(self):
        found = kernels("*__avx512_vnni")
        self.assertTrue(found)
        for name, used in found.items():
            for flag, beginnings in LATER.items():
                with self.subTest(kernel=name, flag=flag):
                    self.assertEqual([word for word in used if word.startswith(beginnings)], [])

    def test_vnni_kernels_multiply_bytes_by_one_instruction(self):
        for name, used in kernels("int8_*__avx512_vnni").items():
            with self.subTest(kernel=name):
                self.assertGreater(used["vpdpbusd"], 0)
                self.assertEqual(used["vpmaddubsw"] + used["vpmaddwd"], 0)

    def test_amx_kernels_run_on_every_cpu_that_has_amx_and_vnni(self):
        for name, used in kernels("*__avx512_amx").items():
            for flag, beginnings in LATER.items():
                if flag != "amx":
                    with self.subTest(kernel=name, flag=flag):
                        self.assertEqual([word for word in used if word.startswith(beginnings)], [])

    def test_amx_kernels_multiply_matrices_and_leave_the_tiles_as_they_were(self):
        found = kernels("*__avx512_amx")
        self.assertTrue(found)
        for name, used in found.items():
            with self.subTest(kernel=name):
                self.assertGreater(used["tdpbusd"], 0)
                self.assertEqual(used["vpdpbusd"] + used["vpmaddubsw"] + used["vpmaddwd"], 0)
                self.assertGreater(used["tilerelease"], 0)

    def test_int8_kernels_make_no_product_and_sum_one_operation(self):
        found = kernels("int8_*")
        self.assertTrue(found)
        for name, used in found.items():
            with self.subTest(kernel=name):
                self.assertEqual([word for word in used if word.startswith(MULTIPLY_ADDS)], [])

    def test_the_disassembly_shows_what_is_looked_for(self):
        names = {word for used in kernels("gated_conv_f32_any_none__avx512").values() for word in used}
        self.assertTrue(any(word.startswith(MULTIPLY_ADDS) for word in names))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
