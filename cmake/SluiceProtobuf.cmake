# Protobuf's lite library, from sources: Debian's archive is not position independent, and its shared
# library would be one for the whole process, whichever version the first to load it brought.

set(own_source "${PROJECT_SOURCE_DIR}/.cache/protobuf")
set(SLUICE_PROTOBUF_SOURCE "${own_source}" CACHE PATH
    "Sources of protobuf, of the version of protoc; by default Debian's, which cmake/setup.sh unpacks")
find_program(Protobuf_PROTOC_EXECUTABLE protoc)
if(NOT Protobuf_PROTOC_EXECUTABLE)
    message(FATAL_ERROR "There is no protoc: apt-get install protobuf-compiler, and what else "
                        "${PROJECT_SOURCE_DIR}/cmake/packages.txt lists")
endif()
find_package(Threads REQUIRED)
# A build by pip does not begin with `make setup`.
if(SLUICE_PROTOBUF_SOURCE STREQUAL own_source AND NOT EXISTS "${own_source}")
    execute_process(COMMAND bash "${PROJECT_SOURCE_DIR}/cmake/setup.sh" protobuf)
endif()

set(list "${SLUICE_PROTOBUF_SOURCE}/cmake/libprotobuf-lite.cmake")
if(NOT EXISTS "${list}")
    message(FATAL_ERROR "${SLUICE_PROTOBUF_SOURCE} has no sources of protobuf: run `bash cmake/setup.sh "
                        "protobuf`, which needs Debian 12, or pass -DSLUICE_PROTOBUF_SOURCE=FOLDER")
endif()
# Its list alone: the file would also make a library with protobuf's options.
file(STRINGS "${list}" sources REGEX "src/google/.*\\.cc$")
list(TRANSFORM sources REPLACE "^.*/src/google/" "${SLUICE_PROTOBUF_SOURCE}/src/google/")
add_library(sluice_protobuf STATIC ${sources})
# Those leave macros defined, on which the next file of a unity build would stop.
foreach(file arenaz_sampler generated_message_tctable_lite inlined_string_field io/io_win32)
    set_source_files_properties("${SLUICE_PROTOBUF_SOURCE}/src/google/protobuf/${file}.cc" PROPERTIES
        SKIP_UNITY_BUILD_INCLUSION ON)
endforeach()
set_target_properties(sluice_protobuf PROPERTIES UNITY_BUILD_BATCH_SIZE 0)
target_include_directories(sluice_protobuf SYSTEM PUBLIC "${SLUICE_PROTOBUF_SOURCE}/src")
# Its namespace is ours, so that a program may link another protobuf as well.
target_compile_definitions(sluice_protobuf PUBLIC google=sluice_google)
# Its messages name files, whose folder is no user's concern and would make no two builds equal.
target_compile_options(sluice_protobuf PRIVATE -w PUBLIC "-ffile-prefix-map=${SLUICE_PROTOBUF_SOURCE}/src=protobuf")
target_link_libraries(sluice_protobuf PUBLIC Threads::Threads)

# The C++ of a schema, NAME.pb.h and NAME.pb.cc in `folder`, for the lite library.
function(sluice_protobuf_sources schema folder)
    cmake_path(GET schema PARENT_PATH schema_folder)
    cmake_path(GET schema STEM name)
    add_custom_command(
        OUTPUT "${folder}/${name}.pb.cc" "${folder}/${name}.pb.h"
        COMMAND "${Protobuf_PROTOC_EXECUTABLE}" "--cpp_out=lite:${folder}" --proto_path "${schema_folder}" "${schema}"
        DEPENDS "${schema}" VERBATIM)
endfunction()
