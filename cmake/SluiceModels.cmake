# Kernels for the layers of a user's own networks: SLUICE_MODELS names ONNX files, whose layers become
# shape classes of this build beside those of generators/kernels.json.

# Lists the layers into <folder>/kernels.json, rows of the table's form, and <folder>/<target>.json, the
# numbers of each class until it is tuned. Every target that is built has to be named.
function(sluice_list_layers folder targets)
    if(NOT Python3_EXECUTABLE)
        find_package(Python3 COMPONENTS Interpreter)
    endif()
    if(NOT Python3_EXECUTABLE)
        message(FATAL_ERROR "SLUICE_MODELS needs Python: install it with the packages of cmake/requirements.txt")
    endif()
    set(scripts "${PROJECT_SOURCE_DIR}/cmake/layers")
    file(GLOB sources CONFIGURE_DEPENDS "${scripts}/*.py")
    foreach(model IN LISTS SLUICE_MODELS)
        if(NOT EXISTS "${model}" OR IS_DIRECTORY "${model}")
            message(FATAL_ERROR "SLUICE_MODELS: there is no file ${model}")
        endif()
    endforeach()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${SLUICE_MODELS} ${sources})
    execute_process(
        COMMAND "${Python3_EXECUTABLE}" -B "${scripts}/list_layers.py" "${PROJECT_SOURCE_DIR}"
            --out "${folder}" --targets ${targets} -- ${SLUICE_MODELS}
        RESULT_VARIABLE result ERROR_VARIABLE said ERROR_STRIP_TRAILING_WHITESPACE)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "SLUICE_MODELS: ${said}")
    elseif(said)
        message(WARNING "SLUICE_MODELS: ${said}")
    endif()
    file(READ "${folder}/kernels.json" rows)
    string(REGEX MATCHALL "\"channels\"" classes "${rows}")
    list(LENGTH classes count)
    message(STATUS "SLUICE_MODELS: ${count} shape classes beside those of generators/kernels.json")
endfunction()

# The folder of tuned numbers that count before those of schedules/tuned: SLUICE_TUNED, else one beside the
# first model; empty where there are no models. A file for each target is there, so that this build is
# configured again once autotune has written to it.
function(sluice_own_tuned targets out)
    set(folder "${SLUICE_TUNED}")
    if(NOT folder AND SLUICE_MODELS)
        list(GET SLUICE_MODELS 0 model)
        cmake_path(REMOVE_EXTENSION model LAST_ONLY)
        set(folder "${model}.tuned")
    endif()
    if(folder)
        foreach(target IN LISTS targets)
            if(NOT EXISTS "${folder}/${target}.json")
                file(WRITE "${folder}/${target}.json" "{}\n")
            endif()
        endforeach()
    endif()
    set(${out} "${folder}" PARENT_SCOPE)
endfunction()
