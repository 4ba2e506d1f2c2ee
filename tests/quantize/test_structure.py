"""Tests where python/quantize places Q and DQ, and with which numbers.

    test_structure.py CHECKOUT
"""

import sys
import unittest

import numpy as np

import nets
from quantize_case import Case, run


def folded(net, layer):
    """Weights and bias with the batch norm in them, float64."""
    w = {part: net.weights[f"{layer}.{part}"].astype(np.float64)
         for part in ("weight", "scale", "shift", "mean", "variance")}
    factor = w["scale"] / np.sqrt(w["variance"] + 1e-5)
    return w["weight"] * factor[:, None, None, None], w["shift"] - w["mean"] * factor


class Places(Case):
    def check(self, network, expected, kept=()):
        net, scores = network
        file, text = self.good(net.finish(scores))
        self.assertEqual(sorted(file.rounded()), sorted(expected))
        for node in file.nodes:
            if node.op_type in ("Conv", "Gemm"):
                with self.subTest(node.output[0]):
                    (integers, scales, zeros), where = file.of(node.input[1])
                    self.assertEqual((integers.dtype, zeros.dtype), (np.int8, np.int8))
                    self.assertEqual(where["axis"], 0)
                    self.assertEqual((scales.shape, zeros.any()), ((integers.shape[0],), False))
                    self.assertEqual(file.producers[node.input[0]].op_type, "DequantizeLinear")
        for name, source in kept:
            for mine, other in zip(file.rounded()[name], file.rounded()[source]):
                self.assertEqual(mine, other)
        self.assertIn(f"{len(expected)} tensors held as u8", text)
        return file

    def test_dense(self):
        pool = ("pooled", "sum.relu"), ("flat", "sum.relu")
        self.check(nets.residual(), ["image", "a.relu", "b.relu", "sum.relu", "pooled", "flat"], pool)

    def test_sum_of_two_convolutions_takes_in_the_later(self):
        self.check(nets.two_convolutions(),
                   ["image", "a.relu", "s.norm", "sum.relu", "pooled", "flat"])

    def test_gates(self):
        for form in ("position", "element", "group", "tile"):
            for options in ({}, {"act": True}, {"residual": True}, {"act": True, "residual": True}):
                with self.subTest(form, **options):
                    pool = ["b.pool"] if form == "tile" else []
                    kept = [("b.pool", "a.relu")] if form == "tile" else []
                    file = self.check(nets.gated(form, **options),
                                      ["image", "a.relu", *pool, "b.relu", "pooled", "flat"], kept)
                    self.assertNotIn("BatchNormalization", {node.op_type for node in file.nodes})

    def test_norm_behind_a_clamped_layer_stays_where_its_scale_is_negative(self):
        for act in (False, True):
            net, scores = nets.gated("position", act=act)
            net.weights["b.scale"][2] *= -1
            file, _ = self.good(net.finish(scores))
            kind = file.layer("b.norm").op_type
            self.assertEqual(kind, "BatchNormalization" if act else "Add")

    def test_group_gate_at_the_end_of_its_layer(self):
        """The Reshape that ends the product is a part of the layer, and no copy of a tensor."""
        net, _ = nets.gated("group")
        net.nodes = net.nodes[:-5]  # without norm, ReLU and head
        scores = net.head(net.op("Relu", "c.relu", net.conv("c", "b.product", 6, 6)), 6)
        self.check((net, scores), ["image", "a.relu", "b.product", "c.relu", "pooled", "flat"])

    def test_sum_behind_a_clamp_behind_a_gate_has_two_rounded_terms(self):
        """A layer has no clamp between its gate and the residual."""
        for clamped in ("b.norm", "b.product"):
            net, _ = nets.gated("position")
            net.nodes = net.nodes[:-4 if clamped == "b.norm" else -5]  # without norm, ReLU and head
            b = net.op("Relu", "b.relu", clamped)
            total = net.op("Relu", "sum.relu", net.op("Add", "sum", b, "a.relu"))
            self.check((net, net.head(total, 6)),
                       ["image", "a.relu", "b.relu", "sum.relu", "pooled", "flat"])

    def test_concatenated_tensors_share_their_numbers(self):
        net = nets.Net()
        a = net.op("Relu", "a.relu", net.conv("a", "image", 3, 4))
        b = net.op("Relu", "b.relu", net.conv("b", a, 4, 4))
        joined = net.op("Concat", "joined", a, b, axis=1)
        pooled = net.op("MaxPool", "max", joined, kernel_shape=[2, 2], strides=[2, 2])
        scores = net.head(net.op("Relu", "c.relu", net.conv("c", pooled, 8, 6)), 6)
        names = ["a.relu", "b.relu", "joined", "max"]
        self.check((net, scores), ["image", *names, "c.relu", "pooled", "flat"],
                   [(name, "a.relu") for name in names])

    def test_sum_has_the_numbers_of_what_it_is_where_a_gate_skips_it(self):
        """Not where a norm leaves a constant, or where a ReLU changes the residual."""
        for act, norm, same in ((True, False, True), (False, False, False), (True, True, False)):
            with self.subTest(act=act, norm=norm):
                net = nets.Net()
                a = net.norm("a", net.conv("a", "image", 3, 6), 6)
                a = net.op("Relu", "a.relu", a) if act else a
                b = net.op("Relu", "b.relu", net.norm("b", net.conv("b", a, 6, 6), 6))
                y = net.norm("c", net.conv("c", b, 6, 6), 6)
                y = net.op("Mul", "c.product", y, net.gate("c", a, 6))
                y = net.norm("d", y, 6) if norm else y
                total = net.op("Relu", "sum.relu", net.op("Add", "sum", y, a))
                file, _ = self.good(net.finish(net.head(total, 6)))
                scale, zero = file.rounded()["sum.relu"]
                of_residual = file.rounded()[a]
                self.assertEqual((scale, zero) == tuple(of_residual), same)

    def test_sum_before_a_norm_is_held_as_u8(self):
        """As in networks with norm and ReLU before each convolution."""
        net = nets.Net()
        a = net.conv("a", "image", 3, 5)
        b = net.conv("b", net.op("Relu", "a.relu", net.norm("a", a, 5)), 5, 5)
        s = net.op("Add", "sum", b, a)
        c = net.conv("c", net.op("Relu", "b.relu", net.norm("b", s, 5)), 5, 5)
        t = net.op("Add", "total", c, s)
        scores = net.head(net.op("Relu", "c.relu", net.norm("c", t, 5)), 5)
        self.check((net, scores),
                   ["image", "a.conv", "a.relu", "sum", "b.relu", "c.relu", "pooled", "flat"])

    def test_attention_is_no_gate(self):
        net = nets.Net()
        a = net.op("Relu", "a.relu", net.conv("a", "image", 3, 4))
        b = net.conv("b", net.op("GlobalAveragePool", "squeezed", a), 4, 4, kernel=1, bias=True)
        product = net.op("Mul", "product", a, net.op("Sigmoid", "attention", b))
        scores = net.head(net.op("Relu", "c.relu", net.conv("c", product, 4, 5)), 5)
        self.check((net, scores),
                   ["image", "a.relu", "squeezed", "product", "c.relu", "pooled", "flat"])


class Numbers(Case):
    def test_weights_and_biases(self):
        net, scores = nets.residual()
        file, _ = self.good(net.finish(scores), "--calibration", "minmax")
        inputs = {"a": "image", "b": "a.relu", "c": "b.relu"}
        for layer, x in inputs.items():
            weights, bias = folded(net, layer)
            node = file.layer(f"{layer}.norm")  # the convolution has taken its place
            (integers, scales, _), _ = file.of(node.input[1])
            largest = np.abs(weights).max(axis=(1, 2, 3))
            np.testing.assert_allclose(scales, largest / 127, rtol=1e-5)
            self.assertTrue((np.abs(integers).reshape(5, -1).max(axis=1) == 127).all())
            back = integers * scales[:, None, None, None].astype(np.float64)
            self.assertTrue((np.abs(back - weights) <= 0.5001 * scales[:, None, None, None]).all())
            step = file.rounded()[x][0] * scales
            (integers, bias_scales), _ = file.of(node.input[2])  # int32 has no zero point
            self.assertEqual(integers.dtype, np.int32)
            np.testing.assert_array_equal(bias_scales, step)
            self.assertTrue((np.abs(integers * step.astype(np.float64) - bias) <= 0.51 * step).all())

    def test_factor_of_a_norm_behind_a_gate_is_in_the_weights(self):
        net, scores = nets.gated("position", residual=True)
        model = net.finish(scores)
        file, _ = self.good(model)
        w = net.weights
        factor = w["b.scale"] / np.sqrt(w["b.variance"] + 1e-5)
        weights = w["b.weight"] * factor[:, None, None, None]
        (_, scales, _), _ = file.of(file.layer("b.conv").input[1])
        np.testing.assert_allclose(scales, np.abs(weights).max(axis=(1, 2, 3)) / 127, rtol=1e-5)
        shift = file.weights[file.layer("b.norm").input[1]]
        np.testing.assert_allclose(shift.reshape(-1), w["b.shift"] - w["b.mean"] * factor, rtol=1e-5,
                                   atol=1e-6)

    def test_minmax_ranges(self):
        net, scores = nets.residual()
        model = net.finish(scores)
        file, _ = self.good(model, "--calibration", "minmax")
        names = ["image", "a.relu", "b.relu", "sum.relu"]
        values = dict(zip(names[1:], run(model, self.read_images(), names[1:])[1:]))
        values["image"] = self.read_images()
        for name in names:
            low, high = min(values[name].min(), 0), values[name].max()
            scale, zero = file.rounded()[name]
            self.assertEqual((scale.dtype, zero.dtype), (np.float32, np.uint8))
            np.testing.assert_allclose(scale, (high - low) / 255, rtol=1e-5)
            self.assertEqual(zero, round(-low / scale), name)

    def test_percentile_is_of_the_values_that_are_not_zero(self):
        net, scores = nets.residual()
        model = net.finish(scores)
        file, _ = self.good(model, "--calibration", "percentile", "--percentile", "90")
        for name in ("a.relu", "b.relu", "sum.relu"):
            x = run(model, self.read_images(), [name])[1]
            wanted = np.quantile(x[x > 0], 0.95)  # half of the tenth is left out above
            bin_width = x.max() / 1024
            self.assertAlmostEqual(file.rounded()[name][0] * 255, wanted, delta=2 * bin_width)

    def test_entropy_gives_no_larger_ranges(self):
        net, scores = nets.residual()
        scales = {}
        for how in ("minmax", "entropy"):
            file, _ = self.good(net.finish(scores), "--calibration", how)
            scales[how] = {name: float(scale) for name, (scale, _) in file.rounded().items()}
        for name, largest in scales["minmax"].items():
            self.assertLessEqual(scales["entropy"][name], largest * 1.0001)
            self.assertGreater(scales["entropy"][name], largest * 0.2)
        self.assertNotEqual(scales["entropy"], scales["minmax"])

    def test_factors_and_layout_of_the_last_layer(self):
        for transposed in (True, False):
            net = nets.Net()
            a = net.op("Relu", "a.relu", net.conv("a", "image", 3, 4))
            flat = net.op("Flatten", "flat", net.op("GlobalAveragePool", "pooled", a))
            scores = net.linear("head", flat, 4, 3, alpha=0.5, beta=2.0, transposed=transposed)
            file, _ = self.good(net.finish(scores))
            (integers, scales, _), where = file.of(file.layer("scores").input[1])
            self.assertEqual((where["axis"], scales.shape), (0 if transposed else 1, (3,)))
            by_class = net.weights["head.weight"] if transposed else net.weights["head.weight"].T
            np.testing.assert_allclose(scales, np.abs(by_class).max(axis=1) * 0.5 / 127, rtol=1e-5)
            x = self.read_images()
            y, wanted = (run(m, x)[0] for m in (file.model, net.finish(scores)))
            np.testing.assert_allclose(y, wanted, atol=0.05 * np.abs(wanted).max())

    def test_channel_of_zeros_and_large_bias(self):
        net, scores = nets.two_convolutions()
        net.weights["a.weight"][1] = 0
        net.weights["a.weight"][2] *= 1e-9
        net.weights["a.bias"][:3] = (0.25, 0.5, 30.0)
        file, _ = self.good(net.finish(scores), "--calibration", "minmax")
        node = file.layer("a.conv")
        (integers, scales), _ = file.of(node.input[2])
        back = integers * scales.astype(np.float64)
        np.testing.assert_allclose(back, net.weights["a.bias"], rtol=1e-4)
        self.assertLessEqual(np.abs(integers).max(), 2**24 + 1)
        (integers, scales, _), _ = file.of(node.input[1])
        self.assertFalse(integers[1].any())
        self.assertTrue(np.isfinite(scales).all() and (scales > 0).all())


class Answers(Case):
    def test_one_layer_is_within_the_rounding(self):
        net = nets.Net()
        net.op("Relu", "a.relu", net.conv("a", "image", 3, 7, bias=True))
        scores = net.head("a.relu", 7)
        model = net.finish(scores)
        file, _ = self.good(model, "--calibration", "minmax")
        x = self.read_images()
        wanted = run(model, x, ["a.relu"])[1]
        found = run(file.model, x, ["a.relu_DequantizeLinear_Output"], optimises=False)[1]
        (integers, scales, _), _ = file.of(file.layer("a.conv").input[1])
        step = file.rounded()["image"][0]
        magnitude = np.abs(integers * scales[:, None, None, None]).sum(axis=(1, 2, 3))
        off = 0.5 * step * magnitude + 0.5 * scales * 27 * np.abs(x).max()
        bound = 0.5 * file.rounded()["a.relu"][0] + off + 1e-4
        self.assertTrue((np.abs(found - wanted) <= bound[:, None, None]).all())
        self.assertGreater(np.abs(found - wanted).max(), 0)

    def test_skipped_outputs_stay_skipped_and_leave_the_constant(self):
        for form in ("position", "element", "group", "tile"):
            net, scores = nets.gated(form, residual=False)
            model = net.finish(scores)
            file, _ = self.good(model, "--calibration", "minmax")
            x = self.read_images()
            before = run(model, x, ["b.branch.norm"])[1]
            branch, gate, shifted = run(file.model, x, ["b.branch.norm", "b.gate", "b.norm"])[1:]
            skipped = before <= -0.05 * np.abs(before).max()  # no rounding turns its sign
            self.assertGreater(skipped.sum(), 10)
            self.assertTrue((gate[skipped] == 0).all())
            self.assertTrue((gate[branch <= 0] == 0).all())
            self.assertLess(np.abs(branch - before).max(), 0.05 * np.abs(before).max())
            shift = file.weights[file.layer("b.norm").input[1]]
            if form == "position":
                zero, constant = (np.broadcast_to(x, shifted.shape) for x in (gate == 0, shift))
                self.assertTrue((shifted[zero] == constant[zero]).all())

    def test_names_and_metadata_stay(self):
        net, scores = nets.gated("position")
        model = net.finish(scores)
        file, _ = self.good(model)
        again = self.output.read_bytes()
        for part in ("metadata_props", "doc_string", "producer_name", "opset_import", "ir_version"):
            self.assertEqual(getattr(file.model, part), getattr(model, part))
        for part in ("input", "output", "name"):
            self.assertEqual(getattr(file.model.graph, part), getattr(model.graph, part))
        names = {name for node in file.nodes for name in node.output}
        self.assertLessEqual({"a.relu", "b.conv", "b.gate", "b.product", "b.norm", "b.relu"}, names)
        self.assertIn("b.weight_quantized", file.weights)
        self.good(model)
        self.assertEqual(self.output.read_bytes(), again)

    def test_fixed_batch(self):
        for batch in (1, 5):
            net, scores = nets.residual()
            net.batch = batch
            file, _ = self.good(net.finish(scores))
            self.assertEqual(file.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value, batch)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
