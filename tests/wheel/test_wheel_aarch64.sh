#!/bin/bash
# Runs the AArch64 wheel of dist/ under QEMU, in Debian's CPython 3.11 for AArch64 and in NumPy's wheel, which are
# unpacked into build/wheel-test-aarch64: a network's scores must be those of this machine's build.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$PWD/build/wheel-test-aarch64
model=models/int8/resnet20_block_d58_cifar10_int8.onnx

say() { echo "test-wheel-aarch64: $*"; }
fail() { echo "test-wheel-aarch64: error: $*" >&2; exit 1; }

wheel=$(ls -t dist/sluice_cnn-*-cp311-cp311-*_aarch64.whl | head -n 1)
say "$wheel: $(stat -c %s "$wheel") bytes"
.venv-wheel/bin/auditwheel show "$wheel" | sed 's/^/    /'

rm -rf "$work"
mkdir -p "$work"
# For this platform alone, so that pip may unpack them here.
.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check --target "$work/site" --only-binary=:all: \
    --no-deps --python-version 3.11 --platform manylinux_2_35_aarch64 --platform manylinux_2_34_aarch64 \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
    "$wheel" "$(grep '^numpy==' cmake/requirements.txt)"

cat >"$work/scores.py" <<'EOF'
import platform, sys
import numpy as np
import sluice
model = sluice.Model(sys.argv[1])
x = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
print(platform.machine(), sluice.__version__, file=sys.stderr)
print(*(f"{score:.4f}" for score in model(x).ravel()))
EOF
say "the module"
emulated=(qemu-aarch64-static -L "$PWD/.cache/python-arm64")
"${emulated[@]}" -E PYTHONPATH="$work/site" .cache/python-arm64/usr/bin/python3.11 "$work/scores.py" $model \
    >"$work/aarch64.txt" 2>"$work/machine.txt" || { cat "$work/machine.txt" >&2; fail "the module does not run"; }
grep -q '^aarch64 ' "$work/machine.txt" || fail "it ran on $(cat "$work/machine.txt")"
PYTHONPATH=build/release/python .venv/bin/python "$work/scores.py" $model >"$work/here.txt" 2>/dev/null
diff "$work/here.txt" "$work/aarch64.txt" || fail "the scores differ"

say "the program"
# File, class, probability and MACs skipped; the time differs.
answers() { "$@" classify --model $model apps/samples | awk '$1 ~ /[.]png$/ { print $1, $2, $3, $5 }'; }
answers "${emulated[@]}" "$work/site/sluice/bin/sluice" >"$work/aarch64.txt"
answers build/release/apps/sluice/sluice >"$work/here.txt"
[ "$(wc -l <"$work/here.txt")" -eq "$(ls apps/samples/*.png | wc -l)" ] || fail "classify gives no line for some image"
diff "$work/here.txt" "$work/aarch64.txt" || fail "the answers differ"
say "all is well"
