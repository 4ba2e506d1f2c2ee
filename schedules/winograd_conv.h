#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::schedules {

/// The numbers live in schedules/tuned/<target>.json.
struct WinogradConvParams {
    int lanes;        ///< floats a vector
    int vectors;      ///< vectors of output channels a register tile
    int rows;         ///< Winograd tiles a register tile
    int unroll;       ///< channels a loop iteration
    int most_panels;  ///< 0 where the number of panels is known
};

/// A part of the list that is computed in chunks of one size.
struct WinogradChunks {
    /// (channel, point of x, point of y, tile of the chunk, chunk), of the inputs (channel of a
    /// panel, panel, phase, ...). `lines` is the transform along y alone, and `patches` both;
    /// `columns` and `outputs` likewise.
    Halide::Func lines{"lines"}, patches{"patches"};
    Halide::Func sums{"sums"}, products{"products"};
    Halide::Func columns{"columns"}, outputs{"outputs"};
    Halide::RDom channels;  ///< the reduction: x: channel of a panel, y: panel, z: phase
    Halide::RDom list;      ///< x, y: output of the tile, z: tile of the chunk, w: chunk
    int tiles = 0;          ///< of a chunk
};

/// What schedule_winograd_conv arranges. `output` scatters over the list, an update a part of it.
struct WinogradConvFuncs {
    Halide::Func output;
    std::vector<WinogradChunks> parts;
    Halide::Var in_channel, panel, phase, channel, u, v, tile;
};

void schedule_winograd_conv(WinogradConvFuncs funcs, const WinogradConvParams& params);

}  // namespace sluice::schedules
