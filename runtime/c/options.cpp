#include <new>

#include "c/error.h"
#include "c/handles.h"

using namespace sluice::c;

namespace {

/// Sets what `body` sets of `options`, unless those are NULL.
template <typename Options, typename Body>
sluice_status set(Options* options, const char* function, Body body) {
    if (!is_given(options, function, "options")) {
        return SLUICE_ERROR_ARGUMENT;
    }
    return guarded([&] {
        body(options->options);
        return SLUICE_OK;
    });
}

template <typename Options>
Options* create() {
    Options* options = nullptr;
    guarded([&] {
        options = new Options;
        return SLUICE_OK;
    });
    return options;
}

}  // namespace

sluice_model_options* sluice_model_options_create(void) { return create<sluice_model_options>(); }

void sluice_model_options_destroy(sluice_model_options* options) { delete options; }

sluice_status sluice_model_options_set_target(sluice_model_options* options, const char* target) {
    if (!is_given(target, __func__, "target")) {
        return SLUICE_ERROR_ARGUMENT;
    }
    return set(options, __func__, [&](sluice::ModelOptions& o) { o.target = target; });
}

sluice_status sluice_model_options_set_winograd(sluice_model_options* options, int allowed) {
    return set(options, __func__, [&](sluice::ModelOptions& o) { o.winograd = allowed != 0; });
}

sluice_status sluice_model_options_set_int8(sluice_model_options* options, int allowed) {
    return set(options, __func__, [&](sluice::ModelOptions& o) { o.int8 = allowed != 0; });
}

sluice_status sluice_model_options_set_size(sluice_model_options* options, int64_t height,
                                            int64_t width) {
    if (height < 1 || width < 1) {
        return wrong_argument(__func__, "height or width is below 1",
                              "pass the size of the images");
    }
    return set(options, __func__, [&](sluice::ModelOptions& o) {
        o.size = sluice::ImageSize{height, width};
    });
}

sluice_session_options* sluice_session_options_create(void) {
    return create<sluice_session_options>();
}

void sluice_session_options_destroy(sluice_session_options* options) { delete options; }

sluice_status sluice_session_options_set_threads(sluice_session_options* options, int threads) {
    return set(options, __func__, [&](sluice::SessionOptions& o) { o.threads = threads; });
}

sluice_status sluice_session_options_set_record_gates(sluice_session_options* options, int record) {
    return set(options, __func__, [&](sluice::SessionOptions& o) { o.record_gates = record != 0; });
}

sluice_status sluice_session_options_set_record_steps(sluice_session_options* options, int record) {
    return set(options, __func__, [&](sluice::SessionOptions& o) { o.record_steps = record != 0; });
}
