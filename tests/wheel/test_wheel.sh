#!/bin/bash
# Installs the wheel for CPython 3.11 of dist/ where nothing else is, and uses it: in a virtual environment, and
# in a Debian 12 that holds Python alone. Both are made anew in build/wheel-test. Where arguments name other
# Pythons, of 3.12 or newer, the wheel that is for all of those is used in an environment of each instead.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$PWD/build/wheel-test
most_bytes=$((15 * 1000 * 1000))
most_import_ms=50

say() { echo "test-wheel: $*"; }
fail() { echo "test-wheel: error: $*" >&2; exit 1; }

wheel_of() {  # of these tags, the newest
    wheel=$(ls -t dist/sluice_cnn-*-"$1"-manylinux*_x86_64.whl | head -n 1)
    bytes=$(stat -c %s "$wheel")
    say "$wheel: $bytes bytes"
    [ "$bytes" -le $most_bytes ] || fail "it is larger than $most_bytes bytes"
}

use_in_venv() {  # made by this Python
    rm -rf "$work/venv"
    "$1" -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel" pillow
    "$work/venv/bin/pip" check
    said=$(cd "$work/files" && "$work/venv/bin/python" classify.py)
    [ "$said" = cat ] || fail "a few lines of Python say '$said'"
    (cd "$work/files" && "$work/venv/bin/sluice" classify --model models/int8/*.onnx apps/samples) >"$work/classify.txt"
    grep -q cat "$work/classify.txt" || fail "sluice classify sees no cat"
    "$work/venv/bin/python" tests/wheel/import_time.py $most_import_ms
}

rm -rf "$work/site" "$work/files" "$work/wheels"
mkdir -p "$work/files" "$work/wheels"
# The program of docs/quickstart.md, on files that lie as it has them.
PYTHONPATH=tests/documents .venv/bin/python -c "
from pathlib import Path
from blocks import of_language
print(of_language(Path('docs/quickstart.md'), 'python')[0])" >"$work/files/classify.py"
cp --parents models/int8/resnet20_block_d58_cifar10_int8.onnx apps/samples/cat_0000.png "$work/files"

if [ $# -gt 0 ]; then
    wheel_of cp312-abi3
    for python; do
        say "a few lines of Python and the command in an empty environment of $("$python" --version)"
        use_in_venv "$python"
    done
    say "all is well"
    exit
fi
wheel_of cp311-cp311

say "what it needs of the system"
.venv-wheel/bin/auditwheel show "$wheel" | sed 's/^/    /'

say "the package's tests, on the wheel"
.venv/bin/python -m pip install --quiet --no-deps --target "$work/site" "$wheel"
for file in model errors threads inference_session backend; do
    PYTHONPATH=$work/site .venv/bin/python "tests/python/test_$file.py" ||
        fail "tests/python/test_$file.py failed"
done

say "its types"
MYPYPATH=$work/site .venv-wheel/bin/mypy --strict --disable-error-code type-arg --cache-dir "$work/mypy" \
    tests/wheel/typed.py

say "a few lines of Python and the command in an empty virtual environment"
use_in_venv /usr/bin/python3.11

say "the same in a Debian 12 with Python 3.11 alone"
[ "$(id -u)" -eq 0 ] || fail "debootstrap and chroot need root: sudo make test-wheel"
if [ ! -f "$work/debian/usr/bin/python3.11" ]; then
    rm -rf "$work/debian"
    debootstrap --variant=minbase --include=python3.11,python3.11-venv,python3-distutils bookworm "$work/debian" \
        http://deb.debian.org/debian >"$work/debootstrap.log" || fail "see $work/debootstrap.log"
fi
"$work/venv/bin/pip" download --quiet --dest "$work/wheels" "$wheel" pillow
rm -rf "$work/debian/test"
mkdir "$work/debian/test"
cp -r "$work/files" "$work/wheels" "$work/debian/test"
# With /proc, which a program needs to find what lies beside it; it goes with the mount namespace.
said=$(unshare --mount sh -ec 'mount -t proc proc "$0/proc"; exec chroot "$0" sh -ec "$1"' "$work/debian" '
    cd /test/files
    python3.11 -m venv /test/venv
    /test/venv/bin/pip install --quiet --no-index --find-links /test/wheels sluice-cnn pillow
    /test/venv/bin/python classify.py
    /test/venv/bin/sluice --version')
say "it says: $(echo $said)"
[ "$(echo "$said" | head -n 1)" = cat ] || fail "a few lines of Python say '$said'"
say "all is well"
