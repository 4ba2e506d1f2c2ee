#include "plan/strips.h"

#include <algorithm>
#include <span>

namespace sluice {
namespace {

/// What a turn reads and writes, for each thread, of a cache: the rest is for weights.
constexpr double share_of_turn = 0.375;
/// All outputs of a chain are alive together: a pair of steps may have more.
constexpr std::int64_t most_bytes = std::int64_t{32} << 20;
constexpr std::size_t most_steps = 64;
/// Of more weights part would come from further away than the cache in each turn.
constexpr std::int64_t most_weights = std::int64_t{512} << 10;

const Buffer& buffer_at(const Step& step, int argument) {
    return std::get<Buffer>(step.arguments[std::size_t(argument)]);
}

bool is_block(const Buffer& buffer, int block) {
    return buffer.memory == Memory::arena && buffer.index == block;
}

/// Its one output.
const Buffer& output_of(const Step& step) { return buffer_at(step, step.first_output); }

std::int64_t output_bytes(const Step& step) {
    const Buffer& output = output_of(step);
    std::int64_t bytes = 1;
    for (const Axis& axis : output.axes) {
        bytes *= axis.extent;
    }
    return bytes * output.type.bytes();
}

const RowsRead* rows_read(const Step& step, int argument) {
    for (const RowsRead& read : step.rows->reads) {
        if (read.argument == argument) {
            return &read;
        }
    }
    return nullptr;
}

int output_block(const Step& step) { return output_of(step).index; }

/// The first step of some that writes a block; null: none does.
const Step* writer_of(std::span<const Step> steps, int block) {
    const auto found = std::find_if(steps.begin(), steps.end(), [block](const Step& step) {
        return output_block(step) == block;
    });
    return found == steps.end() ? nullptr : &*found;
}

bool reads_block(const Step& step, int block) {
    bool reads = false;
    for_each_buffer(step, [&](const Buffer& buffer, int argument) {
        reads |= argument < step.first_output && is_block(buffer, block);
    });
    return reads;
}

bool can_join(const Step& step) {
    const bool has_list = step.list.argument >= 0;
    return step.rows && !step.choice && !step.list.outputs && step.packed_bytes <= most_weights &&
           (!has_list || step.list.static_count >= 0) &&
           std::all_of(step.arguments.begin(), step.arguments.end(), [](const Argument& argument) {
               const Buffer* buffer = std::get_if<Buffer>(&argument);
               return buffer == nullptr || buffer->memory == Memory::arena ||
                      buffer->memory == Memory::constants;
           });
}

/// Calls visit(argument, the step of the chain that writes it) for what a step reads of a chain.
template <typename Visit>
void for_each_read(std::span<const Step> chain, const Step& step, Visit visit) {
    for_each_buffer(step, [&](const Buffer& buffer, int argument) {
        if (buffer.memory == Memory::arena && argument < step.first_output) {
            if (const Step* writer = writer_of(chain, buffer.index)) {
                visit(argument, *writer);
            }
        }
    });
}

/// The largest output of the chain that a step reads; 0: it reads none.
std::int64_t largest_read(std::span<const Step> chain, const Step& step) {
    std::int64_t largest = 0;
    for_each_read(chain, step, [&](int, const Step& writer) {
        largest = std::max(largest, output_bytes(writer));
    });
    return largest;
}

/// Whether a step can follow those of a chain.
bool can_follow(std::span<const Step> chain, const Step& step) {
    if (!can_join(step)) {
        return false;
    }
    const int own = output_block(step);
    bool names_all = true, is_linked = writer_of(chain, own) != nullptr;
    for_each_read(chain, step, [&](int argument, const Step&) {
        names_all &= rows_read(step, argument) != nullptr;
        is_linked = true;
    });
    const auto reads_own = [own](const Step& other) { return reads_block(other, own); };
    return is_linked && names_all && !reads_own(step) &&
           std::none_of(chain.begin(), chain.end(), reads_own);
}

/// Whether a step of a chain reads or writes more than the cache holds.
bool overflows(std::span<const Step> chain, const Step& step, std::int64_t cache_bytes) {
    const Step* writer = writer_of(chain, output_block(step));
    return std::max(output_bytes(writer ? *writer : step), largest_read(chain, step)) > cache_bytes;
}

/// Bytes that a turn of the most of these steps reads and writes for each row of the first.
double bytes_for_row(std::span<const Step> chain) {
    const double rows = double(chain[0].rows->height);
    double most = 0, before = 0;
    for (const Step& step : chain) {
        const double bytes = double(output_bytes(step)) / rows;
        most = std::max(most, before + bytes);
        before = bytes;
    }
    return most;
}

/// Leaves out what gains nothing at both ends; a chain of one step is none.
Chain trimmed(std::span<const Step> steps, std::size_t first, std::size_t last,
              std::int64_t cache_bytes) {
    while (first < last && output_bytes(steps[first]) <= cache_bytes) {
        ++first;
    }
    while (first < last &&
           largest_read(steps.subspan(first, last - first), steps[last]) <= cache_bytes) {
        --last;
    }
    Chain chain{first, last, 1};
    if (first < last) {
        const double bytes = bytes_for_row(steps.subspan(first, last - first + 1));
        chain.rows =
            std::max(chain.rows, std::int64_t(share_of_turn * double(cache_bytes) / bytes));
    }
    return chain;
}

/// Rows that may be computed where the step that writes what is read has computed `there`.
std::int64_t rows_from(const RowsRead& read, const Rows& rows, const Rows& writer,
                       std::int64_t there) {
    if (there == writer.height) {
        return rows.height;
    }
    const std::int64_t last = there - read.window + read.above;
    return last < 0 ? 0 : std::min(last / read.stride + 1, rows.height);
}

/// How far each step of a chain is, in units.
class Progress {
public:
    explicit Progress(std::span<const Step> chain) : chain_(chain), done_(chain.size()) {}

    /// Up to `rows` more of the first step, and what then can be computed of the others.
    void turn(std::int64_t rows, std::size_t first, std::vector<Strip>& strips) {
        for (std::size_t i = 0; i < chain_.size(); ++i) {
            const std::int64_t end = i == 0 ? end_of_first(rows) : end_of(i);
            if (end > done_[i]) {
                strips.push_back({first + i, done_[i], end - done_[i]});
                done_[i] = end;
            }
        }
    }

    bool is_complete() const { return rows_done(0) == chain_[0].rows->height; }

private:
    std::int64_t rows_done(std::size_t step) const {
        return done_[step] / chain_[step].rows->units;
    }

    /// Lists are cut between tiles.
    std::int64_t units(std::size_t step, std::int64_t rows, std::int64_t round) const {
        const Rows& of = *chain_[step].rows;
        const std::int64_t tile = chain_[step].list.argument >= 0 ? chain_[step].list.tile : 1;
        return rows >= of.height ? of.height * of.units
                                 : std::min((rows * of.units + round * (tile - 1)) / tile * tile,
                                            of.height * of.units);
    }

    std::int64_t end_of_first(std::int64_t rows) const { return units(0, rows_done(0) + rows, 1); }

    std::int64_t end_of(std::size_t step) const {
        const Rows& of = *chain_[step].rows;
        std::int64_t rows = of.height;
        for (std::size_t before = 0; before < step; ++before) {
            const int block = output_block(chain_[before]);
            if (block == output_block(chain_[step])) {
                rows = std::min(rows, rows_done(before));
            }
            for (const RowsRead& read : of.reads) {
                if (is_block(buffer_at(chain_[step], read.argument), block)) {
                    rows = std::min(rows,
                                    rows_from(read, of, *chain_[before].rows, rows_done(before)));
                }
            }
        }
        return std::max(units(step, rows, 0), done_[step]);
    }

    std::span<const Step> chain_;
    std::vector<std::int64_t> done_;
};

}  // namespace

std::vector<Chain> find_chains(const std::vector<Step>& steps, std::int64_t cache_bytes) {
    const std::span<const Step> all = steps;
    std::vector<Chain> chains;
    for (std::size_t first = 0; first < steps.size(); ++first) {
        std::size_t last = first;
        const bool can_begin = can_join(steps[first]);
        std::int64_t bytes = can_begin ? output_bytes(steps[first]) : 0;
        const auto extends = [&] {
            const auto chain = all.subspan(first, last + 1 - first);
            const Step& next = steps[last + 1];
            if (!can_begin || !can_follow(chain, next)) {
                return false;
            }
            bytes += output_bytes(next);
            return overflows(chain, next, cache_bytes) &&
                   (chain.size() == 1 || (chain.size() < most_steps && bytes <= most_bytes));
        };
        while (last + 1 < steps.size() && extends()) {
            ++last;
        }
        const Chain chain = trimmed(all, first, last, cache_bytes);
        if (chain.first < chain.last) {
            chains.push_back(chain);
        }
        first = last;
    }
    return chains;
}

std::vector<Strip> strips_of(const std::vector<Step>& steps, const Chain& chain, int threads) {
    const std::span<const Step> all = steps;
    Progress progress(all.subspan(chain.first, chain.last + 1 - chain.first));
    std::vector<Strip> strips;
    while (!progress.is_complete()) {
        progress.turn(chain.rows * threads, chain.first, strips);
    }
    return strips;
}

}  // namespace sluice
