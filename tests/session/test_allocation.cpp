#include <catch2/catch.hpp>

#include <HalideRuntime.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "session/cases.h"

// The linker sends every call of the C library's allocators to these (see CMakeLists.txt).
namespace {
std::atomic<long> allocations{0};
std::atomic<long> failing{0};  ///< the allocation of this number finds no memory; 0: none

bool has_memory() {
    const bool has = ++allocations != failing;
    errno = has ? errno : ENOMEM;
    return has;
}
}  // namespace

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t count, std::size_t size);
void* __real_realloc(void* memory, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
void* __real_memalign(std::size_t alignment, std::size_t size);
int __real_posix_memalign(void** memory, std::size_t alignment, std::size_t size);

void* __wrap_malloc(std::size_t size) { return has_memory() ? __real_malloc(size) : nullptr; }
void* __wrap_calloc(std::size_t count, std::size_t size) {
    return has_memory() ? __real_calloc(count, size) : nullptr;
}
void* __wrap_realloc(void* memory, std::size_t size) {
    return has_memory() ? __real_realloc(memory, size) : nullptr;
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
    return has_memory() ? __real_aligned_alloc(alignment, size) : nullptr;
}
void* __wrap_memalign(std::size_t alignment, std::size_t size) {
    return has_memory() ? __real_memalign(alignment, size) : nullptr;
}
int __wrap_posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    return has_memory() ? __real_posix_memalign(memory, alignment, size) : ENOMEM;
}
}

#ifdef __SANITIZE_ADDRESS__
// Protobuf loses a message or two where the list that should hold it finds no memory.
extern "C" const char* __lsan_default_suppressions() { return "leak:google::protobuf"; }
#endif

// The library's operators are out of the linker's reach; these call the counted malloc.
void* operator new(std::size_t size) {
    if (void* memory = std::malloc(size ? size : 1)) {
        return memory;
    }
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    const auto unit = std::size_t(alignment);
    if (void* memory = std::aligned_alloc(unit, (size + unit - 1) / unit * unit)) {
        return memory;
    }
    throw std::bad_alloc();
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return operator new(size, alignment);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return std::malloc(size ? size : 1);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return std::malloc(size ? size : 1);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

using namespace sluice;
using namespace sluice::session_test;

template <typename Function>
long count_allocations(Function function) {
    const long before = allocations;
    function();
    return allocations - before;
}

/// Makes one allocation after another fail, first with the first, until `make` asks for no more.
/// Each failure has to name the file and say that there is no memory. Returns how many there were.
template <typename Make>
long fail_each(const std::string& file, Make make) {
    long failures = 0;
    for (long number = 1;; ++number) {
        const long before = allocations;
        failing = before + number;
        const auto made = make();
        const bool was_last = allocations < failing;
        failing = 0;
        if (was_last) {
            REQUIRE(made.ok());
            return failures;
        }
        // What is better with more memory and works with less, such as sorting, does not fail.
        if (!made.ok()) {
            ++failures;
            const std::string message = made.status().message();
            INFO("allocation " << number << ": " << message);
            REQUIRE(message.rfind(file + ": ", 0) == 0);
            // A static C library takes memory for a thread by the wrapped allocators too.
            const bool says_why = message.find("there is no memory") != std::string::npos ||
                                  message.find("cannot start thread") != std::string::npos;
            REQUIRE(says_why);
        }
    }
}

/// Keeps the compiler from leaving out an allocation that nothing reads.
void* keep(void* memory) {
    void* volatile kept = memory;
    return kept;
}

}  // namespace

TEST_CASE("the counter sees every allocator") {
    CHECK(count_allocations([] { std::free(keep(std::malloc(10))); }) == 1);
    CHECK(count_allocations([] { std::free(keep(std::calloc(2, 5))); }) == 1);
    CHECK(count_allocations([] { std::free(keep(std::aligned_alloc(64, 64))); }) == 1);
    CHECK(count_allocations([] { ::operator delete(keep(::operator new(10))); }) == 1);
    CHECK(count_allocations([] {
              constexpr std::align_val_t alignment{64};
              ::operator delete(keep(::operator new(64, alignment)), alignment);
          }) == 1);
    CHECK(count_allocations([] { std::vector<float> values(100); }) == 1);
    // What a kernel calls when its temporaries do not fit the stack.
    CHECK(count_allocations([] { halide_free(nullptr, keep(halide_malloc(nullptr, 100))); }) == 1);
}

TEST_CASE("a run allocates nothing") {
    for (const std::string& target : possible_targets()) {
        for (const char* name :
             {"resnet20_lccl_cifar10", "resnet20_dense_cifar10", "winograd_27x30"}) {
            const Case c = read_case(name);
            const Model model = load(c.model, target);
            for (const int threads : {1, 2}) {
                for (const bool records : {false, true}) {
                    Session session = open(model, {threads, records, records});
                    for (const std::int64_t batch : {1, 3}) {
                        const Extents x_part = c.x.part(batch), y_part = c.y.part(batch);
                        Array y(y_part);
                        const TensorView input = c.x.view(0, x_part);
                        const MutableTensorView output = y.mutable_view(0, y_part);
                        bool ok = false;
                        // The first run of a session counts like any other.
                        const long count = count_allocations([&] {
                            ok = session.run({&input, 1}, {&output, 1}).ok();
                        });
                        INFO(name << " on " << target << ", " << threads << " threads, batch "
                                  << batch << (records ? ", recording" : ""));
                        CHECK(ok);
                        CHECK(count == 0);
                    }
                }
            }
        }
    }
}

TEST_CASE("a run of any operator allocates nothing") {
    for (const std::string& target : possible_targets()) {
        for (const Case& c : read_cases("small")) {
            const Model model = load(c.model, target);
            Session session = open(model);
            Array y(c.y.shape);
            const TensorView input = c.x.view(0, c.x.shape);
            const MutableTensorView output = y.mutable_view(0, c.y.shape);
            bool ok = false;
            const long count = count_allocations([&] {
                ok = session.run({&input, 1}, {&output, 1}).ok();
            });
            INFO(c.name << " on " << target);
            CHECK(ok);
            CHECK(count == 0);
        }
    }
}

TEST_CASE("an allocation that fails while a model is loaded is a failure that says so") {
    const std::filesystem::path file = read_case("chain").model;
    CHECK(fail_each(file.string(), [&file] { return Model::load(file); }) > 100);
}

TEST_CASE("an allocation that fails while a session is created is a failure that says so") {
    const Case c = read_case("chain");
    const Model model = load(c.model);
    for (const int threads : {1, 3}) {
        CHECK(fail_each(c.model.string(),
                        [&] { return Session::create(model, {.threads = threads}); }) > 10);
    }
}
