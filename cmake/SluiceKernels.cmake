# Kernels from the one table: generators/kernels.json x schedules/targets.json, with the numbers of
# schedules/tuned/<target>.json. A kernel's name is <family>_<shape class>__<target>.

include(SluiceNames)

# Members of a JSON object as "key=value" items.
function(sluice_json_params json out)
    set(params "")
    string(JSON count LENGTH "${json}")
    if(count GREATER 0)
        math(EXPR last "${count} - 1")
        foreach(i RANGE ${last})
            string(JSON key MEMBER "${json}" ${i})
            string(JSON value GET "${json}" "${key}")
            list(APPEND params "${key}=${value}")
        endforeach()
    endif()
    set(${out} "${params}" PARENT_SCOPE)
endfunction()

# The value of "key" among "key=value" items, or the fallback.
function(sluice_param params key fallback out)
    set(${out} "${fallback}" PARENT_SCOPE)
    foreach(item IN LISTS params)
        if(item MATCHES "^${key}=(.*)$")
            set(${out} "${CMAKE_MATCH_1}" PARENT_SCOPE)
        endif()
    endforeach()
endfunction()

# Kernels, and the Halide runtime that they share, as another tree has compiled them: a sanitizer sees
# nothing inside them, so that its tree need not compile them again.
function(sluice_imported_kernel name)
    set(folder "${SLUICE_KERNELS_FROM}/runtime/kernels")
    if(NOT EXISTS "${folder}/lib${name}.a")
        message(FATAL_ERROR "${folder} has no lib${name}.a: build that tree first (make build)")
    endif()
    add_library(${name} STATIC IMPORTED GLOBAL)
    set_target_properties(${name} PROPERTIES
        IMPORTED_LOCATION "${folder}/lib${name}.a" INTERFACE_INCLUDE_DIRECTORIES "${folder}")
endfunction()

# Builds every kernel into `library`, and writes the registry's table to `table` and the structs of their
# arguments, which the table holds each kernel against, to `calls`.
function(sluice_kernels library table calls)
    set(table_file "${PROJECT_SOURCE_DIR}/generators/kernels.json")
    set(targets_file "${PROJECT_SOURCE_DIR}/schedules/targets.json")
    # Read when CMake runs and kept out of the kernels' DEPENDS: a changed number changes the command
    # line of one kernel, and reruns that one.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${table_file}" "${targets_file}")
    file(READ "${table_file}" kernels)
    file(READ "${targets_file}" targets)
    string(JSON kernel_count LENGTH "${kernels}")
    math(EXPR last_kernel "${kernel_count} - 1")
    string(JSON target_count LENGTH "${targets}")
    math(EXPR last_target "${target_count} - 1")

    set(kernel_rows "")
    set(target_rows "")
    set(headers "")
    set(checks "")
    set(call_names "")
    set(call_items "")
    set(call_headers "")
    foreach(t RANGE ${last_target})
        string(JSON target MEMBER "${targets}" ${t})
        string(JSON halide GET "${targets}" "${target}" halide)
        string(JSON lanes GET "${targets}" "${target}" lanes)
        string(JSON priority GET "${targets}" "${target}" priority)
        string(JSON float32 ERROR_VARIABLE absent GET "${targets}" "${target}" float32)
        if(absent)
            set(float32 "${target}")
        endif()
        string(JSON requires GET "${targets}" "${target}" requires)
        string(REGEX REPLACE "[][\" \n]" "" requires "${requires}")
        set(is_arm FALSE)
        if(halide MATCHES "^arm-64")
            set(is_arm TRUE)
        endif()
        set(for_arm FALSE)
        if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
            set(for_arm TRUE)
        endif()
        if(NOT is_arm STREQUAL for_arm OR (SLUICE_TARGETS AND NOT target IN_LIST SLUICE_TARGETS))
            continue()
        endif()
        string(APPEND target_rows
            "    {\"${target}\", \"${float32}\", \"${requires}\", ${lanes}, ${priority}},\n")
        if(NOT float32 STREQUAL target)
            continue()
        endif()
        set(tuned_file "${PROJECT_SOURCE_DIR}/schedules/tuned/${target}.json")
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${tuned_file}")
        file(READ "${tuned_file}" tuned)
        foreach(k RANGE ${last_kernel})
            string(JSON family GET "${kernels}" ${k} family)
            string(JSON generator GET "${kernels}" ${k} generator)
            string(JSON shape GET "${kernels}" ${k} shape)
            string(JSON params_json GET "${kernels}" ${k} params)
            sluice_json_params("${params_json}" params)
            string(JSON tuned_json ERROR_VARIABLE absent GET "${tuned}" "${family}_${shape}")
            if(absent)
                message(FATAL_ERROR "${tuned_file} has no numbers for ${family}_${shape}")
            endif()
            sluice_json_params("${tuned_json}" numbers)
            sluice_param("${numbers}" break_even 1 break_even)
            list(FILTER numbers EXCLUDE REGEX "^break_even=")
            set(name "${family}_${shape}__${target}")
            if(SLUICE_KERNELS_FROM)
                sluice_imported_kernel(${name})
                set(info "${SLUICE_KERNELS_FROM}/runtime/kernels/${name}.function_info.h")
            else()
                add_halide_library(${name} FROM sluice::halide_generators::${generator}
                    GENERATOR ${generator} FUNCTION_NAME ${name} USE_RUNTIME sluice_halide_runtime
                    FUNCTION_INFO_HEADER info
                    TARGETS "${halide}-no_asserts-no_bounds_query-no_runtime${SLUICE_KERNEL_FEATURES}"
                    PARAMS ${params} ${numbers})
            endif()
            target_link_libraries(${library} PRIVATE ${name})
            sluice_param("${params}" kernel 0 kernel)
            sluice_param("${params}" channels 0 channels)
            sluice_param("${params}" stride 1 stride)
            sluice_param("${params}" side 0 side)
            sluice_param("${numbers}" elements 1 elements)
            sluice_param("${numbers}" pixels "${elements}" pixels)
            sluice_param("${numbers}" vectors 1 vectors)
            # One struct a generator, but where its arguments depend on what it reduces to.
            set(call "${generator}")
            if(generator STREQUAL "pool")
                set(call "${family}")
            endif()
            if(NOT call IN_LIST call_names)
                list(APPEND call_names "${call}")
                list(APPEND call_items "${call}=${generator}=${info}")
                list(APPEND call_headers "${info}")
            endif()
            sluice_camel_case("${call}" camel)
            string(APPEND checks
                "static_assert(has_arguments(${name}_argument_info(), ${camel}Call<int>::arguments));\n")
            string(APPEND headers "#include \"${name}.h\"\n#include \"${name}.function_info.h\"\n")
            string(APPEND kernel_rows "    {\"${name}\", Family::${family}, \"${shape}\", \"${target}\", "
                "${kernel}, ${channels}, ${stride}, ${pixels}, ${vectors}, ${lanes}, ${side}, ${break_even}, "
                "${name}_argv},\n")
        endforeach()
    endforeach()
    set(writer "${PROJECT_SOURCE_DIR}/cmake/write_calls.cmake")
    list(JOIN call_items "," call_items)
    add_custom_command(OUTPUT "${calls}" VERBATIM
        COMMAND ${CMAKE_COMMAND} "-DOUTPUT=${calls}" "-DCALLS=${call_items}" -P "${writer}"
        DEPENDS "${writer}" "${PROJECT_SOURCE_DIR}/cmake/SluiceNames.cmake" ${call_headers})
    file(CONFIGURE OUTPUT "${table}" @ONLY CONTENT [[
// Written by cmake/SluiceKernels.cmake from generators/kernels.json and schedules/.
@headers@
#include <iterator>

#include "kernels/calls.h"
#include "kernels/table.h"

namespace sluice {

@checks@
const Target target_table[] = {
@target_rows@};
const std::size_t target_count = std::size(target_table);

const Kernel kernel_table[] = {
@kernel_rows@};
const std::size_t kernel_count = std::size(kernel_table);

}  // namespace sluice
]])
endfunction()
