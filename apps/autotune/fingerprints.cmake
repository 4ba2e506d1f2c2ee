# Writes the header OUTPUT: a hash of each generator's sources, of the headers that they include of
# generators/ and schedules/, and of Halide's version, so that what was measured with other code is not
# taken for a measurement of this one.
# Run as cmake -DSOURCE=... -DGENERATORS=... -DHALIDE=... -DOUTPUT=... -P fingerprints.cmake.

# The file and what it includes, after those in `out`; each once.
function(add_with_includes file out)
    set(files ${${out}})
    if(NOT file IN_LIST files)
        list(APPEND files "${file}")
        file(STRINGS "${SOURCE}/${file}" lines REGEX "^#include \"(generators|schedules)/")
        foreach(line IN LISTS lines)
            string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" included "${line}")
            add_with_includes("${included}" files)
        endforeach()
    endif()
    set(${out} "${files}" PARENT_SCOPE)
endfunction()

string(REPLACE "," ";" generators "${GENERATORS}")
set(rows "")
foreach(generator IN LISTS generators)
    set(hashes "${HALIDE}")
    set(files "")
    add_with_includes("generators/${generator}.cpp" files)
    add_with_includes("schedules/${generator}.cpp" files)
    foreach(file IN LISTS files)
        file(SHA256 "${SOURCE}/${file}" hash)
        string(APPEND hashes "${hash}")
    endforeach()
    string(SHA256 hash "${hashes}")
    string(SUBSTRING "${hash}" 0 12 hash)
    string(APPEND rows "    {\"${generator}\", \"${hash}\"},\n")
endforeach()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [[
// Written by apps/autotune/fingerprints.cmake.
#pragma once

namespace sluice::autotune {

struct Fingerprint {
    const char* generator;
    const char* hash;
};
inline constexpr Fingerprint fingerprints[] = {
@rows@};

}  // namespace sluice::autotune
]])
