# cpack: one archive of everything, and three Debian packages.

set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_NAME sluice)
string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" CPACK_SYSTEM_NAME)
set(CPACK_PACKAGE_VENDOR "The Sluice project")
set(CPACK_PACKAGE_CONTACT "The Sluice project <maintainers@sluice.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Convolutional networks that skip positions")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGE_CHECKSUM SHA256)
# The same bytes whoever packs.
set(CPACK_ARCHIVE_UID 0)
set(CPACK_ARCHIVE_GID 0)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL library development programs)
set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS library)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY "=")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
endif()
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libsluice${SLUICE_SOVERSION})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "Shared library with the C API.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libsluice-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Headers of the C and C++ APIs, and the static library.")
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME sluice-tools)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SUGGESTS "python3, python3-numpy")  # for engines to compare with
set(CPACK_COMPONENT_PROGRAMS_DESCRIPTION "Classify images, run and time networks.")

# Each package, the wheel too, holds the licences of all that is linked into any.
set(licences "${CMAKE_CURRENT_BINARY_DIR}/copyright")
file(READ "${PROJECT_SOURCE_DIR}/NOTICE" text)
string(APPEND text "\nThe Apache License, Version 2.0, is on Debian in /usr/share/common-licenses/Apache-2.0.\n\n")
cmake_path(SET halide_licence NORMALIZE "${HalideHelpers_DIR}/../../../share/doc/Halide/LICENSE.txt")
set(files "${SLUICE_PROTOBUF_SOURCE}/LICENSE" "${halide_licence}")
if(SLUICE_PYTHON)
    file(GLOB nanobind_licence "${nanobind_DIR}/../../nanobind-*.dist-info/licenses/LICENSE")
    list(APPEND files "${nanobind_licence}")
endif()
foreach(package libcli11-dev nlohmann-json3-dev libjpeg62-turbo-dev libpng-dev libwebp-dev zlib1g-dev)
    list(APPEND files "/usr/share/doc/${package}/copyright")
endforeach()
foreach(file IN LISTS files)
    if(EXISTS "${file}")
        file(READ "${file}" part)
        string(REGEX REPLACE "\n-----\n.*" "" part "${part}")  # Halide's: what follows is of its apps
        string(APPEND text "${part}\n\n")
    else()
        message(WARNING "packages will lack the licence ${file}")
    endif()
endforeach()
file(WRITE "${licences}" "${text}")
# The changelog of the packaging, which Debian asks for.
set(changelog "${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian")
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)  # of SOURCE_DATE_EPOCH, where that is set
file(WRITE "${changelog}" "sluice (${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * Sluice ${PROJECT_VERSION}.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
execute_process(COMMAND gzip -9nkf "${changelog}" COMMAND_ERROR_IS_FATAL ANY)
foreach(component LIBRARY DEVELOPMENT PROGRAMS)
    string(TOLOWER ${component} name)
    install(FILES "${licences}" "${changelog}.gz" COMPONENT ${name}
        DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME}")
endforeach()
# Debian has it; the archive is of one component.
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/sluice" COMPONENT licence)

include(CPack)
