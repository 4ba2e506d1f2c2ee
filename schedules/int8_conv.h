#pragma once

#include <vector>

#include <Halide.h>

namespace sluice::schedules {

/// Register tile of the indirect GEMM; the numbers live in schedules/tuned/<target>.json.
struct Int8ConvParams {
    int vectors;  ///< vectors of output channels a tile
    int lanes;    ///< sums a vector
    int unroll;   ///< steps along a patch row a loop iteration; 1 where its extent is not known
};

/// A part of the list that is computed in tiles of one size.
struct Int8ConvTiles {
    Halide::Func products;  ///< (channel, pixel of the tile, tile), accumulates
    /// (half of a step, channel, block of channels, pixel of the tile, step, tile), accumulates;
    /// undefined where an instruction sums up all bytes of a step
    Halide::Func pairs;
    Halide::RDom list;  ///< x: pixel of the tile, y: tile
    int pixels;         ///< positions of the list a tile
};

/// What schedule_int8_conv arranges. `output` scatters over the list, an update a part of it.
struct Int8ConvFuncs {
    Halide::Func output;
    std::vector<Int8ConvTiles> parts;
    Halide::Var channel, pixel;
    Halide::Var half, part;  ///< of the pairs: half of a step, block of channels
    Halide::RDom pair;       ///< likewise: its two bytes
    Halide::RDom taps;       ///< x: bytes of a dot product, y: along a row of the patch, z: rows
    std::vector<Halide::Expr> cases;  ///< in which computing the output takes less, likeliest first
};

void schedule_int8_conv(Int8ConvFuncs funcs, const Int8ConvParams& params);

/// Products of matrices; the numbers live in schedules/tuned/<target>.json.
struct Int8MatrixParams {
    int vectors;     ///< vectors of output channels a block
    int lanes;       ///< sums a vector, columns of a matrix
    int pixels;      ///< positions a matrix, its rows
    int depth;       ///< bytes of a patch that an instruction multiplies
    int most_bytes;  ///< of a patch
};

/// What schedule_int8_matrices arranges. `output` scatters over the list.
struct Int8MatrixFuncs {
    Halide::Func output;
    Halide::Func patches;  ///< (byte, position of the matrix, matrix, tile); rows of the input
    Halide::Func sums;     ///< (lane, position of the matrix, vector, matrix, tile), accumulates
    Halide::Var channel, byte, position, vector, lane;
    Halide::RDom rows;                ///< x: bytes of a patch's row, y: rows
    Halide::RDom taps;                ///< bytes of a patch
    Halide::RDom list;                ///< x: position of the matrix, y: matrix, z: tile
    std::vector<Halide::Expr> cases;  ///< in which computing the output takes less, likeliest first
};

void schedule_int8_matrices(Int8MatrixFuncs funcs, const Int8MatrixParams& params);

}  // namespace sluice::schedules
