#pragma once

#include "sweep/net.h"

namespace sluice::sweep {

/// Adds one node, or a few, that read x and sometimes other values of the net; each returns the
/// result, or no_value where x has another rank than it takes.
using Grow = ValueId (*)(Net& net, ValueId x);

// grow_arithmetic.cpp
ValueId grow_activation(Net& net, ValueId x);
ValueId grow_batch_norm(Net& net, ValueId x);
/// With a constant of any shape that broadcasts, on either side.
ValueId grow_with_constant(Net& net, ValueId x);
/// Of two values of one shape, or of which one broadcasts.
ValueId grow_binary(Net& net, ValueId x);
ValueId grow_softmax(Net& net, ValueId x);
/// Gemm, or MatMul and a bias, of x [N, I].
ValueId grow_linear(Net& net, ValueId x);

// grow_layout.cpp
ValueId grow_concat(Net& net, ValueId x);
ValueId grow_slice(Net& net, ValueId x);
ValueId grow_pad(Net& net, ValueId x);
ValueId grow_transpose(Net& net, ValueId x);
/// Reshape, Flatten, Squeeze or Unsqueeze.
ValueId grow_reshape(Net& net, ValueId x);
ValueId grow_expand(Net& net, ValueId x);
/// Identity, Cast or Dropout, which may be an output.
ValueId grow_alias(Net& net, ValueId x);

// grow_windows.cpp; all over [N, C, H, W]
ValueId grow_layer(Net& net, ValueId x);
ValueId grow_pool(Net& net, ValueId x);
ValueId grow_global_pool(Net& net, ValueId x);
ValueId grow_resize(Net& net, ValueId x);

/// A value computed so far, or an input: often one of the last.
ValueId pick_value(Net& net);

}  // namespace sluice::sweep
