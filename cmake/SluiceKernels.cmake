# Kernels from the one table: generators/kernels.json x schedules/targets.json, with the numbers of
# schedules/tuned/<target>.json.

include(SluiceKernelTable)
include(SluiceModels)
include(SluiceNames)

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

# A struct of runtime/kernels/kernel.h, its fields from the values of a kernel's parameters and numbers.
function(sluice_info algorithm values out)
    set(gated_conv DirectInfo kernel channels pixels vectors)
    set(depthwise_conv DepthwiseInfo kernel stride=step pixels vectors)
    set(winograd_conv WinogradInfo taps=kernel stride channels least_channels most_channels side pixels vectors break_even)
    set(dot_conv DotInfo kernel channels elements break_even)
    set(sparse_conv PairsInfo kernel channels pixels vectors break_even)
    set(branch BranchInfo kernel channels)
    set(binary BinaryInfo operation)
    set(binary_operations BinaryOperation)
    set(activation ActivationInfo operation)
    set(activation_operations ActivationKind)
    foreach(reduction reduce reduce_along)
        set(${reduction} ReduceInfo operation)
        set(${reduction}_operations ReduceOperation)
    endforeach()
    foreach(int8_algorithm int8_conv int8_staged_conv int8_float_conv)
        set(${int8_algorithm} Int8Info kernel channels pixels vectors dot offset sum_bits depth
            least_bytes most_bytes break_even)
    endforeach()
    foreach(int8_algorithm int8_depthwise int8_staged_depthwise int8_float_depthwise)
        set(${int8_algorithm} Int8DepthwiseInfo kernel stride=step pixels vectors dot offset)
    endforeach()
    set(int8_branch Int8BranchInfo kernel channels bytes tile offset)
    if(NOT DEFINED ${algorithm})
        set(${out} "std::monostate{}" PARENT_SCOPE)
        return()
    endif()
    list(POP_FRONT ${algorithm} struct)
    set(fields "")
    foreach(field IN LISTS ${algorithm})
        string(REGEX REPLACE "^.*=" "" key "${field}")
        string(REGEX REPLACE "=.*$" "" field "${field}")
        set(fallback 0)
        if(key STREQUAL "stride")
            set(fallback 1)
        endif()
        sluice_param("${values}" ${key} ${fallback} value)
        if(key STREQUAL "operation")
            set(value "${${algorithm}_operations}::${value}")
        endif()
        list(APPEND fields ".${field} = ${value}")
    endforeach()
    list(JOIN fields ", " fields)
    set(${out} "${struct}{${fields}}" PARENT_SCOPE)
endfunction()

# Writes for autotune the folders of tuned numbers, and the generator and the parameters of every kernel, by
# its name without the target.
function(sluice_list_kernels items folders file)
    set(rows "")
    foreach(item IN LISTS items)
        string(REPLACE "|" ";" fields "${item}")
        list(GET fields 0 name)
        list(GET fields 2 generator)
        list(GET fields 6 params)
        string(REGEX REPLACE "(^|,)(least_channels|least_bytes|label)=[^,]+" "" params "${params}")
        string(REGEX REPLACE "^," "" params "${params}")
        string(REGEX REPLACE "([^,=]+)=([^,]+)" "\"\\1\": \"\\2\"" params "${params}")
        string(REGEX REPLACE ": \"([0-9]+)\"" ": \\1" params "${params}")
        list(APPEND rows "    \"${name}\": {\"generator\": \"${generator}\", \"params\": {${params}}}")
    endforeach()
    list(JOIN rows ",\n" rows)
    list(JOIN folders "\", \"" folders)
    file(CONFIGURE OUTPUT "${file}" @ONLY
        CONTENT "{\"tuned\": [\"${folders}\"],\n\"kernels\": {\n${rows}\n}}\n")
endfunction()

# Builds a kernel for a target, or imports it; `arguments` is the header that states them.
function(sluice_build_kernel name generator halide params arguments)
    if(SLUICE_KERNELS_FROM)
        sluice_imported_kernel(${name})
        set(header "${SLUICE_KERNELS_FROM}/runtime/kernels/${name}.function_info.h")
    else()
        add_halide_library(${name} FROM sluice::halide_generators::${generator}
            GENERATOR ${generator} FUNCTION_NAME ${name} USE_RUNTIME sluice_halide_runtime
            FUNCTION_INFO_HEADER header
            TARGETS "${halide}-no_asserts-no_bounds_query-no_runtime${SLUICE_KERNEL_FEATURES}"
            PARAMS ${params})
    endif()
    set(${arguments} "${header}" PARENT_SCOPE)
endfunction()

# The table's kernels for one target into `library`: those that multiply bytes alone where it has a base, and
# those that name it alone where it has no `int8_params`, the target's for them. Appends their rows, includes, checks and one header a
# struct of arguments to the variables of sluice_kernels.
function(sluice_target_kernels library items target base halide lanes int8_params)
    set(tuned_file "${PROJECT_SOURCE_DIR}/schedules/tuned/${target}.json")
    set(tables "")
    foreach(folder IN LISTS tuned_folders)
        list(LENGTH tables number)
        sluice_read_tuned("${folder}/${target}.json" rows_${number})
        list(APPEND tables rows_${number})
    endforeach()
    set(unused "${rows_0}")
    foreach(item IN LISTS items)
        string(REPLACE "|" ";" fields "${item}")
        set(i 0)
        foreach(field name algorithm generator type shape_class gate params wanted for int8)
            list(GET fields ${i} ${field})
            string(REPLACE "," ";" ${field} "${${field}}")
            math(EXPR i "${i} + 1")
        endforeach()
        if(for AND NOT target IN_LIST for OR base AND NOT int8 OR NOT int8_params AND NOT for)
            continue()
        elseif(int8)
            list(APPEND params ${int8_params})
        endif()
        sluice_numbers("${name}" "${tables}" "${wanted}" "${tuned_file}" numbers used)
        if(used)
            list(REMOVE_ITEM unused ${used})
        endif()
        sluice_info(${algorithm} "${params};${numbers}" info)
        # The runtime's, not the generator's.
        list(FILTER numbers EXCLUDE REGEX "^break_even=")
        list(FILTER params EXCLUDE REGEX "^(least_channels|least_bytes|label)=")
        string(APPEND name "__${target}")
        sluice_build_kernel(${name} ${generator} "${halide}" "${params};${numbers}" arguments)
        target_link_libraries(${library} PRIVATE ${name})

        sluice_camel_case(${algorithm} camel)
        if(NOT call_items MATCHES "(^|;)${algorithm}=")
            list(APPEND call_items "${algorithm}=${generator}=${arguments}")
        endif()
        string(APPEND headers "#include \"${name}.h\"\n#include \"${name}.function_info.h\"\n")
        string(APPEND checks
            "static_assert(has_arguments(${name}_argument_info(), ${camel}Call<int>::arguments));\n")
        string(APPEND kernel_rows "    {\"${name}\", Algorithm::${algorithm}, \"${algorithm}\", GateForm::${gate}, "
            "ElementType::${element_${type}}, \"${shape_class}\", \"${target}\", ${lanes}, ${name}_argv, "
            "${info}},\n")
    endforeach()
    if(unused)
        message(FATAL_ERROR "${tuned_file} has rows of no kernel: ${unused}")
    endif()
    foreach(result kernel_rows headers checks call_items)
        set(${result} "${${result}}" PARENT_SCOPE)
    endforeach()
endfunction()

# The rows of schedules/targets.json that this build is for, with the bases of those in SLUICE_TARGETS.
function(sluice_built_targets targets out)
    set(built "")
    set(for_arm FALSE)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
        set(for_arm TRUE)
    endif()
    set(wanted "")
    foreach(target IN LISTS SLUICE_TARGETS)
        while(target)
            list(APPEND wanted "${target}")
            string(JSON row GET "${targets}" "${target}")
            sluice_json_list("${row}" base target)
        endwhile()
    endforeach()
    sluice_json_each("${targets}" MEMBER names)
    foreach(target IN LISTS names)
        string(JSON halide GET "${targets}" "${target}" halide)
        set(is_arm FALSE)
        if(halide MATCHES "^arm-64")
            set(is_arm TRUE)
        endif()
        if(is_arm STREQUAL for_arm AND (NOT wanted OR target IN_LIST wanted))
            list(APPEND built "${target}")
        endif()
    endforeach()
    set(${out} "${built}" PARENT_SCOPE)
endfunction()

# Builds every kernel into `library`, and writes the registry's table to `table` and the structs of their
# arguments, which the table holds each kernel against, to `calls`.
function(sluice_kernels library table calls)
    set(table_file "${PROJECT_SOURCE_DIR}/generators/kernels.json")
    set(targets_file "${PROJECT_SOURCE_DIR}/schedules/targets.json")
    # Read when CMake runs and kept out of the kernels' DEPENDS: a changed number changes the command
    # line of one kernel, and reruns that one.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${table_file}" "${targets_file}")
    file(READ "${table_file}" table_rows)
    file(READ "${targets_file}" targets)
    sluice_built_targets("${targets}" built)
    # Of several files, the later one's numbers count.
    set(tuned_folders "${PROJECT_SOURCE_DIR}/schedules/tuned")
    sluice_expand_table("${table_rows}" items)
    if(SLUICE_MODELS)
        set(models_folder "${CMAKE_CURRENT_BINARY_DIR}/models")
        sluice_list_layers("${models_folder}" "${built}")
        file(READ "${models_folder}/kernels.json" table_rows)
        sluice_expand_table("${table_rows}" model_items)
        list(APPEND items ${model_items})
        list(APPEND tuned_folders "${models_folder}")
    endif()
    sluice_own_tuned("${built}" own_tuned)
    list(APPEND tuned_folders ${own_tuned})

    sluice_list_kernels("${items}" "${tuned_folders}" "${CMAKE_CURRENT_BINARY_DIR}/kernels.json")

    set(element_f32 "float32")
    set(element_u8 "uint8")
    set(element_- "none")
    foreach(target IN LISTS built)
        foreach(column halide requires lanes priority)
            string(JSON ${column} GET "${targets}" "${target}" ${column})
        endforeach()
        string(REGEX REPLACE "[][\" \n]" "" requires "${requires}")
        sluice_json_list("${targets}" ${target} row)
        sluice_json_list("${row}" base base)
        sluice_json_list("${row}" int8 int8)
        set(int8_params "")
        if(int8)
            sluice_json_params("${int8}" int8_params)
        endif()
        string(APPEND target_rows
            "    {\"${target}\", \"${base}\", \"${requires}\", ${lanes}, ${priority}},\n")
        sluice_target_kernels(${library} "${items}" ${target} "${base}" "${halide}" ${lanes} "${int8_params}")
    endforeach()

    set(writer "${PROJECT_SOURCE_DIR}/cmake/write_calls.cmake")
    list(TRANSFORM call_items REPLACE "^.*=" "" OUTPUT_VARIABLE call_headers)
    list(JOIN call_items "," call_items)
    add_custom_command(OUTPUT "${calls}" VERBATIM
        COMMAND ${CMAKE_COMMAND} "-DOUTPUT=${calls}" "-DCALLS=${call_items}" -P "${writer}"
        DEPENDS "${writer}" "${PROJECT_SOURCE_DIR}/cmake/SluiceNames.cmake" ${call_headers})
    file(CONFIGURE OUTPUT "${table}" @ONLY CONTENT [[
// Written by cmake/SluiceKernels.cmake from generators/kernels.json and schedules/.
@headers@
#include <iterator>

#include "kernels/calls.h"
#include "kernels/kernel_table.h"

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
