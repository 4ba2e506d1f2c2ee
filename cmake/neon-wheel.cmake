# Toolchain of make wheel-aarch64: that of the AArch64 tree, and the headers of its Python.
include("${CMAKE_CURRENT_LIST_DIR}/neon.cmake")
string(APPEND CMAKE_CXX_FLAGS_INIT " -isystem ${sluice_sysroot}/usr/include")
set(Python_INCLUDE_DIR "${sluice_sysroot}/usr/include/python3.11")
