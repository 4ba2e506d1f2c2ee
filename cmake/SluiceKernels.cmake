# Kernels from the one table: generators/kernels.json x schedules/targets.json, with the numbers of
# schedules/tuned/<target>.json. A row of the table is an algorithm, and its columns are
#     generator   in generators/, where its name is another than the algorithm's
#     params      of the generator, for all kernels of the row
#     types       element types of the tensors; none where it reads and writes lists and masks alone
#     shapes      shape classes: parameters of the generator, and of `channels` several, a kernel each
#     gates       of a shape class: the gate forms, a kernel each, the generator's parameter `gating`
#     gate        the one gate form that the algorithm has, where that is no parameter
#     operations  likewise, the generator's parameter `operation`
#     numbers     of the schedule and of the choice of a kernel, which the tuned files state
# A kernel's name is <algorithm>_<type>_<shape class>_<gate form or operation>__<target>, without what
# it has none of. A shape class is `any`, or <window>[_by<stride>]_c<channels>.
#
# A row of a tuned file holds for the kernel of that name, and for those whose names go on after it with
# an underscore: gated_conv_f32, then gated_conv_f32_3x3_c64, then gated_conv_f32_3x3_c64_position. The
# longer name's number counts, so that a row names only what differs.

include(SluiceNames)

# A member of a JSON object: an array's elements or the one value; empty where there is none.
function(sluice_json_list json key out)
    set(values "")
    string(JSON type ERROR_VARIABLE absent TYPE "${json}" ${key})
    if(NOT absent)
        string(JSON values GET "${json}" ${key})
        if(type STREQUAL "ARRAY")
            set(array "${values}")
            set(values "")
            string(JSON count LENGTH "${array}")
            foreach(i RANGE ${count})
                if(i LESS count)
                    string(JSON value GET "${array}" ${i})
                    list(APPEND values "${value}")
                endif()
            endforeach()
        endif()
    endif()
    set(${out} "${values}" PARENT_SCOPE)
endfunction()

# Members of a JSON object as "key=value" items, but for those whose value is an array.
function(sluice_json_params json out)
    set(params "")
    string(JSON count LENGTH "${json}")
    foreach(i RANGE ${count})
        if(i LESS count)
            string(JSON key MEMBER "${json}" ${i})
            string(JSON type TYPE "${json}" "${key}")
            string(JSON value GET "${json}" "${key}")
            if(NOT type STREQUAL "ARRAY")
                list(APPEND params "${key}=${value}")
            endif()
        endif()
    endforeach()
    set(${out} "${params}" PARENT_SCOPE)
endfunction()

# The value of "key" among "key=value" items, the last one where there are several, or the fallback.
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

# Reads the tuned file of a target: `rows` is its names, in order and so the shorter one first, and
# <rows>_<name> the numbers of each.
macro(sluice_read_tuned file rows)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(READ "${file}" tuned)
    set(${rows} "")
    string(JSON row_count LENGTH "${tuned}")
    foreach(i RANGE ${row_count})
        if(i LESS row_count)
            string(JSON row MEMBER "${tuned}" ${i})
            string(JSON numbers GET "${tuned}" "${row}")
            sluice_json_params("${numbers}" ${rows}_${row})
            list(APPEND ${rows} "${row}")
        endif()
    endforeach()
endmacro()

# The numbers of a kernel, one each that its algorithm has, and in `used` the rows that they come from.
function(sluice_numbers kernel rows wanted file out used)
    set(found "")
    set(from "")
    foreach(row IN LISTS ${rows})
        string(FIND "${kernel}_" "${row}_" at)
        if(at EQUAL 0)
            list(APPEND from "${row}")
            list(APPEND found ${${rows}_${row}})
        endif()
    endforeach()
    set(numbers "")
    foreach(number IN LISTS wanted)
        sluice_param("${found}" ${number} "" value)
        if(value STREQUAL "")
            message(FATAL_ERROR "${file} has no ${number} for ${kernel}")
        endif()
        list(APPEND numbers "${number}=${value}")
        list(FILTER found EXCLUDE REGEX "^${number}=")
    endforeach()
    if(found)
        message(FATAL_ERROR "${file} has ${found} for ${kernel}, which generators/kernels.json does not name")
    endif()
    set(${out} "${numbers}" PARENT_SCOPE)
    set(${used} "${from}" PARENT_SCOPE)
endfunction()

# A struct of runtime/kernels/kernel.h, its fields from the values of a kernel's parameters and numbers.
function(sluice_info algorithm values out)
    set(gated_conv DirectInfo kernel channels pixels vectors)
    set(winograd_conv WinogradInfo taps=kernel stride channels side pixels vectors break_even)
    set(dot_conv DotInfo kernel channels elements break_even)
    set(sparse_conv PairsInfo kernel channels pixels vectors break_even)
    set(branch BranchInfo kernel channels)
    set(binary BinaryInfo operation)
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
            set(value "BinaryOperation::${value}")
        endif()
        list(APPEND fields ".${field} = ${value}")
    endforeach()
    list(JOIN fields ", " fields)
    set(${out} "${struct}{${fields}}" PARENT_SCOPE)
endfunction()

# A shape class of the table without its channels.
function(sluice_window shape out)
    sluice_json_params("${shape}" params)
    sluice_param("${params}" kernel 0 kernel)
    sluice_param("${params}" stride 1 stride)
    set(window "any")
    if(kernel GREATER 0)
        math(EXPR extent "${stride} * (${kernel} - 1) + 1")
        set(window "${extent}x${extent}")
        if(stride GREATER 1)
            string(APPEND window "_by${stride}")
        endif()
    endif()
    set(${out} "${window}" PARENT_SCOPE)
endfunction()

# One kernel of a row of the table as an item: name|algorithm|generator|type|shape class|gate form|
# parameters|numbers, the last two with commas. `variant` is a parameter, or -. Reads the row's columns.
function(sluice_item type channels variant out)
    set(params ${params_of_row} ${params_of_shape})
    set(shape_class "${window}")
    set(name "${algorithm}")
    if(NOT type STREQUAL "-")
        string(APPEND name "_${type}")
    endif()
    if(channels GREATER 0)
        list(APPEND params "channels=${channels}")
        string(APPEND shape_class "_c${channels}")
    endif()
    string(APPEND name "_${shape_class}")
    if(NOT gate)
        set(gate "none")
    endif()
    if(NOT variant STREQUAL "-")
        list(APPEND params "${variant}")
        string(REGEX REPLACE "^.*=" "" value "${variant}")
        string(APPEND name "_${value}")
        sluice_param("${variant}" gating "${gate}" gate)
    endif()
    list(JOIN params "," params)
    list(JOIN numbers "," names)
    set(${out} "${name}|${algorithm}|${generator}|${type}|${shape_class}|${gate}|${params}|${names}" PARENT_SCOPE)
endfunction()

# The items of a row of the table.
function(sluice_expand_row row out)
    foreach(column algorithm generator types gate operations numbers)
        sluice_json_list("${row}" ${column} ${column})
    endforeach()
    if(NOT generator)
        set(generator "${algorithm}")
    endif()
    sluice_json_list("${row}" params row_params)
    set(params_of_row "")
    if(row_params)
        sluice_json_params("${row_params}" params_of_row)
    endif()
    sluice_json_list("${row}" shapes shapes)
    if(NOT shapes)
        set(shapes "{}")
    endif()
    list(TRANSFORM operations PREPEND "operation=")
    set(items "")
    foreach(shape IN LISTS shapes)
        sluice_window("${shape}" window)
        sluice_json_params("${shape}" params_of_shape)
        sluice_json_list("${shape}" channels channels)
        sluice_json_list("${shape}" gates variants)
        list(TRANSFORM variants PREPEND "gating=")
        list(APPEND variants ${operations})
        # An empty column is one kernel as well.
        foreach(column types channels variants)
            if(NOT ${column})
                set(${column} "-")
            endif()
        endforeach()
        foreach(type IN LISTS types)
            foreach(channel IN LISTS channels)
                foreach(variant IN LISTS variants)
                    sluice_item("${type}" "${channel}" "${variant}" item)
                    list(APPEND items "${item}")
                endforeach()
            endforeach()
        endforeach()
    endforeach()
    set(${out} "${items}" PARENT_SCOPE)
endfunction()

# Writes the generator and the parameters of every kernel, by its name without the target, for autotune.
function(sluice_list_kernels items file)
    set(rows "")
    foreach(item IN LISTS items)
        string(REPLACE "|" ";" fields "${item}")
        list(GET fields 0 name)
        list(GET fields 2 generator)
        list(GET fields 6 params)
        string(REGEX REPLACE "([^,=]+)=([^,]+)" "\"\\1\": \"\\2\"" params "${params}")
        string(REGEX REPLACE ": \"([0-9]+)\"" ": \\1" params "${params}")
        list(APPEND rows "    \"${name}\": {\"generator\": \"${generator}\", \"params\": {${params}}}")
    endforeach()
    list(JOIN rows ",\n" rows)
    file(CONFIGURE OUTPUT "${file}" CONTENT "{\n${rows}\n}\n" @ONLY)
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

# The table's kernels for one target into `library`. Appends their rows, includes, checks and one header a
# struct of arguments to the variables of sluice_kernels.
function(sluice_target_kernels library items target halide lanes)
    set(tuned_file "${PROJECT_SOURCE_DIR}/schedules/tuned/${target}.json")
    sluice_read_tuned("${tuned_file}" tuned_rows)
    set(unused "${tuned_rows}")
    foreach(item IN LISTS items)
        string(REPLACE "|" ";" fields "${item}")
        set(i 0)
        foreach(field name algorithm generator type shape_class gate params wanted)
            list(GET fields ${i} ${field})
            string(REPLACE "," ";" ${field} "${${field}}")
            math(EXPR i "${i} + 1")
        endforeach()
        sluice_numbers("${name}" tuned_rows "${wanted}" "${tuned_file}" numbers used)
        if(used)
            list(REMOVE_ITEM unused ${used})
        endif()
        sluice_info(${algorithm} "${params};${numbers}" info)
        list(FILTER numbers EXCLUDE REGEX "^break_even=")  # the runtime's, not the generator's
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
        string(APPEND kernel_rows "    {\"${name}\", Algorithm::${algorithm}, GateForm::${gate}, "
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
    set(items "")
    string(JSON count LENGTH "${table_rows}")
    math(EXPR last "${count} - 1")
    foreach(i RANGE ${last})
        string(JSON row GET "${table_rows}" ${i})
        sluice_expand_row("${row}" expanded)
        list(APPEND items ${expanded})
    endforeach()

    sluice_list_kernels("${items}" "${CMAKE_CURRENT_BINARY_DIR}/kernels.json")

    set(element_f32 "float32")
    set(element_- "none")
    set(for_arm FALSE)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
        set(for_arm TRUE)
    endif()
    string(JSON count LENGTH "${targets}")
    math(EXPR last "${count} - 1")
    foreach(i RANGE ${last})
        string(JSON target MEMBER "${targets}" ${i})
        foreach(column halide requires lanes priority)
            string(JSON ${column} GET "${targets}" "${target}" ${column})
        endforeach()
        string(REGEX REPLACE "[][\" \n]" "" requires "${requires}")
        set(is_arm FALSE)
        if(halide MATCHES "^arm-64")
            set(is_arm TRUE)
        endif()
        if(is_arm STREQUAL for_arm AND (NOT SLUICE_TARGETS OR target IN_LIST SLUICE_TARGETS))
            string(APPEND target_rows "    {\"${target}\", \"${requires}\", ${lanes}, ${priority}},\n")
            sluice_target_kernels(${library} "${items}" ${target} "${halide}" ${lanes})
        endif()
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
