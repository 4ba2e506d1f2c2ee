# Options and flags that every folder shares.

option(SLUICE_TESTS "Build the tests" ON)
option(SLUICE_WERROR "Treat warnings as errors" OFF)
option(SLUICE_LIBFUZZER "Build the harnesses of fuzz/ with Clang's libFuzzer" OFF)
set(SLUICE_SANITIZE "" CACHE STRING "Sanitizers to build with: address, undefined, thread")
set(SLUICE_KERNELS_FROM "" CACHE PATH "Another build folder, whose generated kernels to link; empty: generate them")
set(SLUICE_TARGETS "" CACHE STRING "Targets of schedules/targets.json to build; empty: all of this architecture")
set(SLUICE_MODELS "" CACHE FILEPATH "ONNX files whose layers get kernels of their own, separated by ;")
set(SLUICE_TUNED "" CACHE PATH "Folder of tuned numbers that count before those of schedules/tuned, and that autotune writes to; empty: with SLUICE_MODELS <first model>.tuned beside it")
set(SLUICE_KERNEL_FEATURES "" CACHE STRING "Halide target features for every kernel, such as -asan")

add_library(sluice_flags INTERFACE)
target_compile_options(sluice_flags INTERFACE -Wall -Wextra -Wpedantic)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 sees an overlap in "text" + std::string that is not there (its bug 105651).
    target_compile_options(sluice_flags INTERFACE -Wno-restrict)
endif()
if(SLUICE_WERROR)
    target_compile_options(sluice_flags INTERFACE -Werror)
endif()
if(SLUICE_SANITIZE)
    # Without -fno-sanitize-recover undefined behaviour is printed and the test passes.
    target_compile_options(sluice_flags INTERFACE -fsanitize=${SLUICE_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(sluice_flags INTERFACE -fsanitize=${SLUICE_SANITIZE})
endif()

# One library a folder of runtime/, linked only to the folders before it: the order of the data flow.
function(sluice_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/runtime" "${PROJECT_SOURCE_DIR}/runtime/include")
    target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE sluice_flags)
endfunction()
