# Reads generators/kernels.json and schedules/tuned/<target>.json for SluiceKernels.cmake. A row of the table
# is an algorithm, and its columns are
#     generator   in generators/, where its name is another than the algorithm's
#     params      of the generator, for all kernels of the row
#     types       element types of the tensors; none where it reads and writes lists and masks alone
#     shapes      shape classes: parameters of the generator, and of `channels` several, a kernel each;
#                 the runtime's alone are `least_channels`, `least_bytes` and `label`, which tells classes of a window apart
#     gates       of a shape class: the gate forms, a kernel each, the generator's parameter `gating`
#     gate        the one gate form that the algorithm has, where that is no parameter
#     operations  likewise, the generator's parameter `operation`
#     numbers     of the schedule and of the choice of a kernel, which the tuned files state
#     targets     of a shape class that is for some targets alone: those
#     int8        true of an algorithm that multiplies bytes: its kernels get the parameters that a target has
#                 under `int8`, and targets with a base have kernels of their own for it; without `int8` a target
#                 with a base has those alone that name it
# An algorithm may have a row more for shape classes with other numbers.
# A kernel's name is <algorithm>_<type>_<shape class>_<gate form or operation>__<target>, without what
# it has none of. A shape class is `any`, or <window>[_by<stride>][_<label>][_c<channels>].
#
# A row of a tuned file holds for the kernel of that name, and for those whose names go on after it with
# an underscore: gated_conv_f32, then gated_conv_f32_3x3_c64, then gated_conv_f32_3x3_c64_position. The
# longer name's number counts, so that a row names only what differs. Of several files, the later one's
# numbers count, whatever their rows are called.

# The elements of a JSON array, where `what` is GET, or the keys of an object, where it is MEMBER.
function(sluice_json_each json what out)
    set(values "")
    string(JSON count LENGTH "${json}")
    foreach(i RANGE ${count})
        if(i LESS count)
            string(JSON value ${what} "${json}" ${i})
            list(APPEND values "${value}")
        endif()
    endforeach()
    set(${out} "${values}" PARENT_SCOPE)
endfunction()

# A member of a JSON object: an array's elements or the one value; empty where there is none.
function(sluice_json_list json key out)
    set(values "")
    string(JSON type ERROR_VARIABLE absent TYPE "${json}" ${key})
    if(NOT absent)
        string(JSON values GET "${json}" ${key})
        if(type STREQUAL "ARRAY")
            sluice_json_each("${values}" GET values)
        endif()
    endif()
    set(${out} "${values}" PARENT_SCOPE)
endfunction()

# Members of a JSON object as "key=value" items, but for those whose value is an array.
function(sluice_json_params json out)
    set(params "")
    sluice_json_each("${json}" MEMBER keys)
    foreach(key IN LISTS keys)
        string(JSON type TYPE "${json}" "${key}")
        if(NOT type STREQUAL "ARRAY")
            string(JSON value GET "${json}" "${key}")
            list(APPEND params "${key}=${value}")
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
    sluice_param("${params}" label "" label)
    if(label)
        string(APPEND window "_${label}")
    endif()
    set(${out} "${window}" PARENT_SCOPE)
endfunction()

# One kernel of a row of the table as an item: name|algorithm|generator|type|shape class|gate form|
# parameters|numbers|targets|int8, those before the last one with commas. `variant` is a parameter, or -. Reads the row's
# columns.
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
    list(JOIN targets "," for)
    set(${out} "${name}|${algorithm}|${generator}|${type}|${shape_class}|${gate}|${params}|${names}|${for}|${int8}"
        PARENT_SCOPE)
endfunction()

# The items of a row of the table.
function(sluice_expand_row row out)
    foreach(column algorithm generator types gate operations numbers int8)
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
        sluice_json_list("${shape}" targets targets)
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

# The items of all rows of a table.
function(sluice_expand_table table out)
    set(items "")
    sluice_json_each("${table}" GET rows)
    foreach(row IN LISTS rows)
        sluice_expand_row("${row}" expanded)
        list(APPEND items ${expanded})
    endforeach()
    set(${out} "${items}" PARENT_SCOPE)
endfunction()

# Reads the tuned file of a target: `rows` is its names, in order and so the shorter one first, and
# <rows>_<name> the numbers of each. Of two rows or numbers of one name CMake keeps the last: it is an error.
macro(sluice_read_tuned file rows)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(READ "${file}" tuned)
    sluice_json_each("${tuned}" MEMBER ${rows})
    list(LENGTH ${rows} kept)
    foreach(row IN LISTS ${rows})
        string(JSON numbers GET "${tuned}" "${row}")
        sluice_json_params("${numbers}" ${rows}_${row})
        list(LENGTH ${rows}_${row} count)
        math(EXPR kept "${kept} + ${count}")
    endforeach()
    string(REGEX MATCHALL "\"[^\"]*\"[ \t\r\n]*:" written "${tuned}")
    list(LENGTH written count)
    if(NOT count EQUAL kept)
        message(FATAL_ERROR "${file} names rows and numbers ${count} times, of which ${kept} differ: "
            "remove those that are there twice")
    endif()
endmacro()

# The numbers of a kernel, one each that its algorithm has, and in `used` the rows that they come from.
# `tables` are sluice_read_tuned's `rows`, `file` the first one's.
function(sluice_numbers kernel tables wanted file out used)
    set(found "")
    set(from "")
    foreach(rows IN LISTS tables)
        foreach(row IN LISTS ${rows})
            string(FIND "${kernel}_" "${row}_" at)
            if(at EQUAL 0)
                list(APPEND from "${row}")
                list(APPEND found ${${rows}_${row}})
            endif()
        endforeach()
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
