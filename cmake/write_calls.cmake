# Writes runtime's kernels/calls.h: a struct of named fields for each signature, from what Halide says of
# the arguments of one kernel that has it.
#     cmake -DOUTPUT=calls.h -DCALLS=NAME=GENERATOR=FUNCTION_INFO_HEADER,... -P write_calls.cmake

include("${CMAKE_CURRENT_LIST_DIR}/SluiceNames.cmake")

function(scalar_type code bits out)
    if(code MATCHES "^u?int$")
        set(${out} "std::${code}${bits}_t" PARENT_SCOPE)
    elseif(code STREQUAL "float" AND bits EQUAL 32)
        set(${out} "float" PARENT_SCOPE)
    else()
        message(FATAL_ERROR "no C++ type for a scalar argument of ${code}${bits}")
    endif()
endfunction()

function(call_struct name generator header out)
    set(fields "")
    set(infos "")
    set(visits "")
    set(pattern "{\"([a-z0-9_]+)\", ::HalideFunctionInfo::([A-Za-z]+), ([0-9]+), halide_type_t{halide_type_([a-z]+), ([0-9]+), 1}}")
    file(STRINGS "${header}" lines REGEX "${pattern}")
    foreach(line IN LISTS lines)
        string(REGEX MATCH "${pattern}" line "${line}")
        set(field "${CMAKE_MATCH_1}")
        set(dimensions "${CMAKE_MATCH_3}")
        set(code "${CMAKE_MATCH_4}")
        set(bits "${CMAKE_MATCH_5}")
        if(CMAKE_MATCH_2 STREQUAL "InputScalar")
            set(is_buffer "false")
            scalar_type("${code}" "${bits}" type)
            string(APPEND fields "    ${type} ${field} = 0;\n")
        else()
            set(is_buffer "true")
            string(APPEND fields "    Buffer ${field};  ///< ${code}${bits}, dimensions: ${dimensions}\n")
        endif()
        set(is_output "false")
        if(CMAKE_MATCH_2 STREQUAL "OutputBuffer")
            set(is_output "true")
        endif()
        string(APPEND infos
            "        {\"${field}\", ${is_buffer}, {halide_type_${code}, ${bits}}, ${dimensions}, ${is_output}},\n")
        string(APPEND visits "        each(self.${field});\n")
    endforeach()
    if(fields STREQUAL "")
        message(FATAL_ERROR "${header} names no arguments")
    endif()
    sluice_camel_case("${name}" camel)
    set(${out} "
/// Arguments of generators/${generator}.cpp, in its order.
template <typename Buffer>
struct ${camel}Call {
${fields}
    static constexpr ArgumentInfo arguments[] = {
${infos}    };

    /// each(field) for every field in order, `self` const or not.
    template <typename Self, typename Each>
    static constexpr void visit(Self& self, Each&& each) {
${visits}    }
};
" PARENT_SCOPE)
endfunction()

set(structs "")
string(REPLACE "," ";" CALLS "${CALLS}")
foreach(item IN LISTS CALLS)
    string(REGEX MATCH "^([^=]+)=([^=]+)=(.+)$" item "${item}")
    call_struct("${CMAKE_MATCH_1}" "${CMAKE_MATCH_2}" "${CMAKE_MATCH_3}" struct)
    string(APPEND structs "${struct}")
endforeach()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [[
// Written by cmake/write_calls.cmake from what the generators say of their arguments.
#pragma once

#include <cstdint>

#include "kernels/call.h"

namespace sluice {
@structs@
}  // namespace sluice
]])
