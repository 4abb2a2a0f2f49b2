# SPDX-License-Identifier: Apache-2.0
"""Compare rows of every type with the gguf package's dequantize, bit for bit.

    dequant_gguf.py DEQUANT

DEQUANT is our program (dequant.c). Blocks are random bytes; blocks whose scales come out infinite
or NaN are left out. Exits 77 when a module is missing.
"""
import subprocess
import sys

try:
    import numpy
    from gguf import GGMLQuantizationType, GGML_QUANT_SIZES, dequantize
except ImportError as error:
    print("skipped: " + str(error))
    sys.exit(77)

TYPES = ("F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL "
         "IQ4_XS").split()
N_BLOCKS = 4000


def main():
    rng = numpy.random.default_rng(1)
    failed = 0
    for name in TYPES:
        kind = GGMLQuantizationType[name]
        block, size = GGML_QUANT_SIZES[kind]
        raw = rng.integers(0, 256, (N_BLOCKS, size), dtype=numpy.uint8)
        with numpy.errstate(all="ignore"):
            want = dequantize(raw, kind).reshape(N_BLOCKS, block).astype(numpy.float32)
        good = numpy.isfinite(want).all(axis=1)
        raw, want = raw[good], want[good]
        out = subprocess.run([sys.argv[1], str(int(kind)), str(want.size)], input=raw.tobytes(),
                             stdout=subprocess.PIPE, check=True).stdout
        got = numpy.frombuffer(out, dtype=numpy.float32).reshape(want.shape)
        differ = int((got.view(numpy.uint32) != want.view(numpy.uint32)).sum())
        print(f"{name}: {want.size} elements, {differ} differ")
        failed += differ > 0 or want.size < N_BLOCKS * block // 3
    sys.exit(1 if failed else 0)


main()
