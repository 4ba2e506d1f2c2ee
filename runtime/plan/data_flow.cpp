#include "plan/data_flow.h"

#include <map>
#include <optional>
#include <tuple>

namespace sluice {
namespace {

/// Of a choice: where its number lies.
using ChoiceKey = std::pair<int, std::int64_t>;

std::optional<ChoiceKey> choice_of(const Step& step) {
    return step.choice
               ? std::optional(ChoiceKey{step.choice->chosen.index, step.choice->chosen.offset})
               : std::nullopt;
}

/// Who wrote a block of the arena.
class Writers {
public:
    /// Those whose values a step finds there.
    std::set<std::size_t> before(const Step& step) {
        begin(choice_of(step));
        std::set<std::size_t> found = settled_;
        for (const Alternative& way : alternatives_) {
            if (way.number == step.choice->number) {
                found.insert(way.step);
            }
        }
        return found;
    }

    /// A step writes there. One that has read the block writes over it, or keeps what it holds.
    void add(const Step& step, std::size_t number, bool has_read) {
        begin(choice_of(step));
        if (step.choice) {
            alternatives_.push_back({number, step.choice->number});
            replaces_ = replaces_ || has_read;
            return;
        }
        if (has_read) {
            settled_.clear();
        }
        settled_.insert(number);
    }

private:
    struct Alternative {
        std::size_t step;
        std::int32_t number;  ///< of Choice
    };

    /// The alternatives of an earlier choice are writers as others are for those of this one.
    void begin(const std::optional<ChoiceKey>& choice) {
        if (choice == choice_) {
            return;
        }
        if (replaces_) {
            settled_.clear();
        }
        for (const Alternative& way : alternatives_) {
            settled_.insert(way.step);
        }
        alternatives_.clear();
        replaces_ = false;
        choice_ = choice;
    }

    std::set<std::size_t> settled_;
    std::optional<ChoiceKey> choice_;
    std::vector<Alternative> alternatives_;
    bool replaces_ = false;  ///< whether the alternatives have read the block
};

struct Touched {
    std::vector<const Buffer*> read, written;
};

Touched buffers_of(const Step& step) {
    Touched touched;
    for_each_buffer(step, [&](const Buffer& buffer, int argument) {
        (argument < step.first_output ? touched.read : touched.written).push_back(&buffer);
    });
    return touched;
}

}  // namespace

std::vector<DataFlow> data_flow(std::span<const Step> steps) {
    std::vector<DataFlow> flows(steps.size());
    std::map<int, Writers> writers;  // by block
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const Touched touched = buffers_of(steps[i]);
        std::set<int> read;
        for (const Buffer* buffer : touched.read) {
            if (buffer->memory == Memory::input) {
                flows[i].inputs.insert(buffer->index);
            } else if (buffer->memory == Memory::arena && read.insert(buffer->index).second) {
                flows[i].reads.merge(writers[buffer->index].before(steps[i]));
            }
        }
        std::set<int> written;
        for (const Buffer* buffer : touched.written) {
            if (buffer->memory == Memory::output) {
                flows[i].outputs.insert(buffer->index);
            } else if (buffer->memory == Memory::arena && written.insert(buffer->index).second) {
                writers[buffer->index].add(steps[i], i, read.contains(buffer->index));
            }
        }
    }
    return flows;
}

}  // namespace sluice
