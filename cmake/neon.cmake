# Toolchain of the AArch64 cross build: Debian's compiler, the sysroot of cmake/setup.sh, static
# programs that QEMU runs as they are. Generators are those of build/release, which
# add_halide_generator finds through its exported package sluice-halide_generators: Halide itself is never linked here, so
# this tree looks for HalideHelpers, not for Halide.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)

get_filename_component(sluice_sysroot "${CMAKE_CURRENT_LIST_DIR}/../.cache/sysroot-arm64" ABSOLUTE)
# Not CMAKE_SYSROOT: the C library is the cross compiler's own.
set(CMAKE_FIND_ROOT_PATH "${sluice_sysroot}")
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
list(APPEND CMAKE_LIBRARY_PATH /usr/lib/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# Halide's CMake files are the host's; every other package is the sysroot's.
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)

set(CMAKE_CXX_FLAGS_INIT "-isystem ${sluice_sysroot}/usr/include/aarch64-linux-gnu")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
