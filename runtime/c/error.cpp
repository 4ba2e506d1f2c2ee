#include "c/error.h"

#include <string>

namespace {

/// What was wrong in the last call of this thread that failed.
struct LastError {
    std::string message, file, node, remedy;
};

LastError& last_error() {
    thread_local LastError error;
    return error;
}

/// Short enough for std::string to need no memory.
constexpr char no_memory_text[] = "has no memory";

void keep(const sluice::Status& status) noexcept {
    LastError& error = last_error();
    try {
        const sluice::Problem& problem = status.problem();
        error = {status.message(), problem.file, problem.node, problem.remedy};
    } catch (...) {  // copying the text took memory that there is not
        error.file.clear();
        error.node.clear();
        error.remedy.clear();
        error.message.assign(no_memory_text);
    }
}

}  // namespace

namespace sluice::c {

sluice_status fail(sluice_status code, const Status& status) noexcept {
    keep(status);
    return code;
}

sluice_status wrong_argument(const char* function, const char* what, const char* remedy) noexcept {
    return guarded([&] {
        return fail(SLUICE_ERROR_ARGUMENT,
                    Status::error(std::string(function) + ": " + what, remedy));
    });
}

bool is_given(const void* pointer, const char* function, const char* argument) noexcept {
    if (pointer == nullptr) {
        guarded([&] {
            const std::string what = std::string(argument) + " is NULL";
            return wrong_argument(function, what.c_str(), "pass one");
        });
    }
    return pointer != nullptr;
}

bool is_index(std::size_t index, std::size_t count, const char* function) noexcept {
    if (index >= count) {
        guarded([&] {
            const std::string what =
                "there is no number " + std::to_string(index) + " of " + std::to_string(count);
            return wrong_argument(function, what.c_str(), "count from 0");
        });
    }
    return index < count;
}

sluice_status no_memory() noexcept {
    return fail(SLUICE_ERROR_MEMORY, Status(Problem{{}, {}, no_memory_text, {}}));
}

sluice_status unknown_exception() noexcept {
    return guarded([] {
        return fail(SLUICE_ERROR_INTERNAL,
                    Status::error("an exception that nothing expected", "report it"));
    });
}

}  // namespace sluice::c

const char* sluice_version(void) { return SLUICE_VERSION_STRING; }
int sluice_version_number(void) { return SLUICE_VERSION_NUMBER; }

const char* sluice_last_error(void) { return last_error().message.c_str(); }
const char* sluice_last_error_file(void) { return last_error().file.c_str(); }
const char* sluice_last_error_node(void) { return last_error().node.c_str(); }
const char* sluice_last_error_remedy(void) { return last_error().remedy.c_str(); }
