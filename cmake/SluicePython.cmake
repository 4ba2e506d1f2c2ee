# Whether the Python module is built, and with which Python: nanobind and Halide are packages of that one's.

# The folder of a package of this Python; empty where it has none.
function(sluice_python_package python package out)
    execute_process(
        COMMAND "${python}" -c
            "import importlib.util as u; print(list(u.find_spec('${package}').submodule_search_locations)[0])"
        OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    set(${out} "${folder}" PARENT_SCOPE)
endfunction()

if(NOT SLUICE_SANITIZE AND NOT SLUICE_LIBFUZZER)
    find_package(Python 3.11 COMPONENTS Interpreter Development.Module
        OPTIONAL_COMPONENTS Development.SABIModule)
endif()
# While pip builds, Halide lies elsewhere than beside the interpreter, which is where its own file for CMake looks.
if(Python_FOUND AND NOT Halide_DIR)
    sluice_python_package("${Python_EXECUTABLE}" halide halide)
    if(halide)
        set(Halide_DIR "${halide}/lib64/cmake/Halide")
        set(HalideHelpers_DIR "${halide}/lib64/cmake/HalideHelpers")
    endif()
endif()
if(Python_FOUND AND NOT nanobind_DIR)
    execute_process(COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
        OUTPUT_VARIABLE nanobind_DIR OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(nanobind_DIR)
    find_package(nanobind CONFIG)
endif()
set(default OFF)
if(nanobind_FOUND AND NOT CMAKE_CROSSCOMPILING)
    set(default ON)
endif()
option(SLUICE_PYTHON "Build the Python module; where nanobind is, the default is ON" ${default})
if(SLUICE_PYTHON AND NOT nanobind_FOUND)
    message(FATAL_ERROR "SLUICE_PYTHON needs nanobind and the headers of Python 3.11: pip install nanobind, and "
                        "-DPython_EXECUTABLE of the Python that has it")
endif()
