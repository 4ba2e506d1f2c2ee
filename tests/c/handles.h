#pragma once

#include <catch2/catch.hpp>

#include <filesystem>
#include <memory>
#include <string>

#include "session/cases.h"
#include "sluice/sluice.h"

/// Handles of the C API that free themselves, so that a failed check leaks nothing.
namespace sluice::c_test {

template <auto destroy>
struct Destroy {
    template <typename Handle>
    void operator()(Handle* handle) const {
        destroy(handle);
    }
};
using ModelHandle = std::unique_ptr<sluice_model, Destroy<sluice_model_destroy>>;
using SessionHandle = std::unique_ptr<sluice_session, Destroy<sluice_session_destroy>>;
using ModelOptionsHandle =
    std::unique_ptr<sluice_model_options, Destroy<sluice_model_options_destroy>>;
using SessionOptionsHandle =
    std::unique_ptr<sluice_session_options, Destroy<sluice_session_options_destroy>>;

inline ModelHandle load(const std::filesystem::path& path,
                        const sluice_model_options* options = nullptr) {
    sluice_model* model = nullptr;
    const sluice_status status = sluice_model_load(path.c_str(), options, &model);
    INFO(sluice_last_error());
    REQUIRE(status == SLUICE_OK);
    return ModelHandle(model);
}

inline SessionHandle open(const ModelHandle& model,
                          const sluice_session_options* options = nullptr) {
    sluice_session* session = nullptr;
    const sluice_status status = sluice_session_create(model.get(), options, &session);
    INFO(sluice_last_error());
    REQUIRE(status == SLUICE_OK);
    return SessionHandle(session);
}

inline sluice_input input(const char* name, const session_test::Extents& shape,
                          const std::vector<float>& values) {
    return {name,         SLUICE_FLOAT32, shape.size(),
            shape.data(), values.data(),  values.size() * sizeof(float)};
}

inline sluice_output output(const char* name, const session_test::Extents& shape,
                            std::vector<float>& values) {
    return {name,         SLUICE_FLOAT32, shape.size(),
            shape.data(), values.data(),  values.size() * sizeof(float)};
}

}  // namespace sluice::c_test
