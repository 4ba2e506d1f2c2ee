#!/bin/bash
# Installs what a build needs and only what is missing: Debian packages (by sudo apt-get, unless it runs as
# root), .venv, and, with "neon", the cross compiler, QEMU and a sysroot. A second run finds its stamps
# and touches neither network nor sudo.
set -euo pipefail
cd "$(dirname "$0")/.."
here=cmake

say() { echo "setup: $*"; }
fail() { echo "setup: error: $*" >&2; exit 1; }

list() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@"; }

# content_key FILE...: changes whenever one of the files does.
content_key() { cat "$@" | sha256sum | cut -d' ' -f1; }

is_current() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

mark() { mkdir -p "$(dirname "$1")"; echo "$2" >"$1.new"; mv "$1.new" "$1"; }

installed() {
    dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# install_packages LIST_FILE...: those that dpkg does not know as installed, through apt-get.
install_packages() {
    command -v dpkg-query >/dev/null || fail "no dpkg here: install the counterparts of" \
        "$(list "$@" | tr '\n' ' ')by hand, or use Debian 12"
    local missing=() package
    for package in $(list "$@"); do
        installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "not root and no sudo; as root, run:" \
            "apt-get install ${missing[*]}"
        if ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
            fail "sudo asks for a password and there is no terminal; run:" \
                "sudo apt-get install ${missing[*]}"
        fi
        root=(sudo)
    fi
    say "installing Debian packages by ${root[*]}${root:+ }apt-get: ${missing[*]}"
    local install=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
        --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}")
    # Package lists may be absent or out of date: only then is the update worth its time.
    if ! "${install[@]}" >/dev/null 2>&1; then
        "${root[@]}" apt-get update -qq || fail "apt-get update failed: is there a network?"
        "${install[@]}" >/dev/null || fail "apt-get could not install ${missing[*]}"
    fi
}

# find_python: Debian's own first, because its headers come with the packages above.
find_python() {
    local candidate
    for candidate in /usr/bin/python3.11 "$(command -v python3.11 || true)"; do
        if [ -x "$candidate" ]; then
            echo "$candidate"
            return
        fi
    done
    fail "python3.11 is missing: apt-get install python3.11"
}

# make_venv FOLDER KEY PIP_ARGUMENT...: a virtual environment with what pip is asked for.
make_venv() {
    local folder=$1 key=$2 python
    shift 2
    if is_current "$folder/.sluice-stamp" "$key"; then
        return
    fi
    python=$(find_python)
    say "installing Python packages by pip into $folder"
    [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
        fail "pip could not install into $folder: is there a network?"
    mark "$folder/.sluice-stamp" "$key"
}

# prepare_apt STATE OPTION...: sets `apt` to apt-get with a state of its own, so that the host's list of
# architectures and of sources stays as it is, and no root is needed.
prepare_apt() {
    local state=$1
    shift
    rm -rf "$state"
    mkdir -p "$state"/{lists/partial,cache/archives/partial,files}
    touch "$state/status"
    apt=(apt-get -qq -o Dir::State="$state" -o Dir::State::lists="$state/lists"
        -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache"
        -o APT::Sandbox::User= -o APT::Update::Post-Invoke-Success::=
        -o Debug::NoLocking=true "$@")
    "${apt[@]}" update || fail "apt-get update failed: is there a network?"
}

# make_protobuf: Debian's own sources of protobuf, its corrections applied, because its archive cannot be
# linked into a shared object (it is compiled without -fPIC).
make_protobuf() {
    local folder=.cache/protobuf state=$PWD/.cache/apt-protobuf key apt
    key=$(dpkg-query -W -f '${Version}' protobuf-compiler 2>/dev/null) ||
        fail "protobuf-compiler of Debian is not installed: apt-get install protobuf-compiler"
    command -v dpkg-source >/dev/null || fail "dpkg-source is missing: apt-get install dpkg-dev"
    if is_current "$folder/.sluice-stamp" "$key"; then
        return
    fi
    say "unpacking Debian's sources of protobuf into $folder"
    rm -rf "$folder"
    mkdir -p .cache
    apt-get indextargets --format 'deb-src $(REPO_URI) $(CODENAME) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian' | sort -u >.cache/sources.list
    [ -s .cache/sources.list ] || fail "apt knows no packages of Debian's: apt-get update"
    prepare_apt "$state" -o Dir::Etc::sourcelist="$PWD/.cache/sources.list" -o Dir::Etc::sourceparts=-
    (cd "$state/files" && "${apt[@]}" source --download-only protobuf &&
        dpkg-source --no-check -x ./*.dsc unpacked >/dev/null) ||
        fail "could not download and unpack the sources of protobuf"
    mkdir -p "$folder"
    mv "$state/files/unpacked"/{LICENSE,cmake,src} "$folder"
    find "$folder" -name '*unittest*' -delete
    rm -rf "$state" .cache/sources.list
    mark "$folder/.sluice-stamp" "$key"
}

# unpack_arm64 FOLDER LIST_FILE FIND_ARGUMENT...: AArch64 packages, unpacked and not installed, so that they cannot
# conflict with the host's; without the files that find is told of.
unpack_arm64() {
    local folder=$1 list=$2 state=$PWD/.cache/apt-arm64 key
    shift 2
    key=$(content_key "$list" $here/setup.sh)
    if is_current "$folder/.sluice-stamp" "$key"; then
        return
    fi
    say "unpacking AArch64 packages into $folder (nothing is installed)"
    rm -rf "$folder"
    mkdir -p "$folder"
    local apt
    prepare_apt "$state" -o APT::Architecture=arm64 -o APT::Architectures=arm64
    local packages
    mapfile -t packages < <(list "$list")
    (cd "$state/files" && "${apt[@]}" download "${packages[@]}") ||
        fail "could not download ${packages[*]} for arm64"
    local deb
    for deb in "$state"/files/*.deb; do
        dpkg -x "$deb" "$folder"
    done
    [ $# -eq 0 ] || find "$folder" "$@" -delete
    rm -rf "$state"
    mark "$folder/.sluice-stamp" "$key"
}

case "${1:-host}" in
host)
    install_packages $here/packages.txt
    make_venv .venv "$(content_key $here/requirements.txt)" -r $here/requirements.txt
    make_protobuf
    ;;
neon)
    install_packages $here/packages-neon.txt
    # Only archives stay, so that programs link statically and QEMU needs no sysroot.
    unpack_arm64 .cache/sysroot-arm64 $here/sysroot-neon.txt -name '*.so*'
    ;;
protobuf)
    make_protobuf
    ;;
lint)
    install_packages $here/packages-lint.txt
    ;;
fuzz)
    install_packages $here/packages-fuzz.txt
    ;;
package)
    install_packages $here/packages-package.txt
    ;;
train)
    install_packages $here/packages.txt
    make_venv .venv-train "$(content_key training/pyproject.toml)" -e 'training[test]'
    ;;
peers)
    install_packages $here/packages.txt
    make_venv .venv-peers "$(content_key $here/requirements-peers.txt)" --no-deps \
        -r $here/requirements-peers.txt
    ;;
zoo)
    install_packages $here/packages.txt
    make_venv .venv-zoo "$(content_key $here/requirements-zoo.txt)" -r $here/requirements-zoo.txt
    ;;
wheel)
    install_packages $here/packages.txt $here/packages-wheel.txt
    make_venv .venv-wheel "$(content_key $here/requirements.txt $here/requirements-wheel.txt)" \
        -r $here/requirements.txt -r $here/requirements-wheel.txt
    ;;
docs)
    install_packages $here/packages.txt $here/packages-docs.txt
    make_venv .venv-docs "$(content_key $here/requirements-docs.txt)" -r $here/requirements-docs.txt
    ;;
ray)
    install_packages $here/packages.txt
    make_venv .venv-ray "$(content_key $here/requirements-ray.txt)" -r $here/requirements-ray.txt
    ;;
report)
    install_packages $here/packages.txt $here/packages-report.txt
    make_venv .venv-report "$(content_key $here/requirements-report.txt)" -r $here/requirements-report.txt
    ;;
wheel-aarch64)
    unpack_arm64 .cache/python-arm64 $here/python-arm64.txt
    ;;
dist)
    install_packages $here/packages.txt
    make_venv .venv-dist "$(content_key $here/requirements-dist.txt)" -r $here/requirements-dist.txt
    ;;
*)
    fail "unknown part '$1': host, protobuf, neon, lint, fuzz, package, train, peers, zoo, wheel, wheel-aarch64, docs, ray, report or dist"
    ;;
esac
say "${1:-host}: nothing is missing"
