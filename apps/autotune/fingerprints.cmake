# Writes the header OUTPUT: a hash of each generator's sources and of Halide's version, so that what
# was measured with other code is not taken for a measurement of this one.
# Run as cmake -DSOURCE=... -DGENERATORS=... -DHALIDE=... -DOUTPUT=... -P fingerprints.cmake.

string(REPLACE "," ";" generators "${GENERATORS}")
set(rows "")
foreach(generator IN LISTS generators)
    set(hashes "${HALIDE}")
    foreach(file "generators/${generator}.cpp" "schedules/${generator}.cpp"
            "schedules/${generator}.h")
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
