"""What a model says of itself and computes."""

import copy
import gc
import sys
import unittest

import numpy as np
import onnx

import case
import sluice


class Description(case.Case):
    def test_inputs_and_outputs(self):
        model = self.small()
        self.assertEqual(model.inputs[0].name, "x")
        self.assertEqual(model.inputs[0].shape, ("batch", 5, 6, 9))
        self.assertEqual(model.inputs[0].dtype, np.float32)
        self.assertEqual([info.name for info in model.inputs], ["x", "z"])
        self.assertEqual([(info.name, info.shape) for info in model.outputs],
                         [("y", ("batch", 7, 6, 9)), ("conv", ("batch", 7, 6, 9))])
        self.assertEqual(model.metadata, {"author": "nobody"})

    def test_names_that_are_no_utf8(self):
        contents = case.small_net().SerializeToString().replace(b"nobody", b"nob\xffdy")
        path = self.folder / "odd.onnx"
        path.write_bytes(contents)
        try:
            self.assertEqual(sluice.Model(path).metadata, {"author": "nob\ufffddy"})
        except sluice.Error as error:
            self.assertIn("odd.onnx", str(error))

    def test_plan(self):
        model = sluice.Model(case.GATED, target="avx2", threads=2)
        self.assertEqual((model.target, model.threads), ("avx2", 2))
        self.assertIn("__avx2", model.explain())
        self.assertGreater(model.macs, model.lccl_macs)
        self.assertIn("avx2", repr(model))

    def test_options_change_the_plan(self):
        self.assertIn("winograd", sluice.Model(case.GATED, target="avx2").explain())
        self.assertNotIn("winograd_conv",
                         sluice.Model(case.GATED, target="avx2", winograd=False).explain())
        self.assertIn("int8_conv", sluice.Model(case.GATED_INT8, target="avx2").explain())
        self.assertNotIn("int8_conv",
                         sluice.Model(case.GATED_INT8, target="avx2", int8=False).explain())

    def test_size(self):
        net = case.small_net()
        for tensor in (*net.graph.input, *net.graph.output):
            for axis, name in ((2, "height"), (3, "width")):
                tensor.type.tensor_type.shape.dim[axis].dim_param = name
        path = self.save(net)
        self.assertIn("size", self.failure(sluice.Model, path).remedy)
        self.assertEqual(sluice.Model(path, size=(8, 11)).inputs[0].shape, ("batch", 5, 8, 11))

    def test_version(self):
        cmake = (case.ROOT / "CMakeLists.txt").read_text()
        self.assertIn(f"project(sluice VERSION {sluice.__version__} ", cmake)


class Answers(case.Case):
    def test_run_by_name(self):
        path = self.save(case.small_net())
        for batch in (1, 2, 5):
            feeds = {"z": case.images(batch, 1, (7, 6, 9)), "x": case.images(batch, 2, (5, 6, 9))}
            outputs = sluice.Model(path).run(feeds)
            self.assertEqual(list(outputs), ["y", "conv"])
            for got, expected in zip(outputs.values(), case.answers(path, feeds)):
                self.assert_close(got, expected)

    def test_call_in_order(self):
        model = self.small()
        x, z = case.images(1, 2, (5, 6, 9)), case.images(1, 1, (7, 6, 9))
        y, conv = model(x, z)
        self.assert_close(y, model.run({"x": x, "z": z})["y"], 0)
        self.assert_close(y, np.maximum(conv + z, 0))

    def test_one_output_is_no_tuple(self):
        x = case.images(3)
        for path in (case.GATED, case.PER_POSITION):
            self.assert_close(sluice.Model(path)(x), case.answers(path, {"input": x})[0])

    def test_bytes(self):
        for kind, dtype in ((onnx.TensorProto.UINT8, np.uint8), (onnx.TensorProto.INT8, np.int8)):
            path = self.save(case.of_bytes(kind))
            x = np.arange(-60, 60, dtype=np.int16).astype(dtype).reshape(2, 3, 4, 5)
            model = sluice.Model(path)
            self.assertEqual(model.inputs[0].dtype, dtype)
            self.assert_close(model(x), case.answers(path, {"x": x})[0])

    def test_outputs_own_their_memory(self):
        model = sluice.Model(case.GATED)
        x = case.images(1)
        first = model(x)
        kept = first.copy()
        second = model(-x)
        self.assertTrue(first.flags.owndata and first.flags.writeable)
        del model
        gc.collect()
        np.testing.assert_array_equal(first, kept)
        self.assertFalse(np.array_equal(first, second))

    def test_runs_keep_nothing(self):
        model = sluice.Model(case.GATED)
        x = case.images(1)
        y = model(x)
        self.assertEqual(sys.getrefcount(y), 2)
        before = sys.getrefcount(x)
        for _ in range(10):
            model(x)
        self.assertEqual(sys.getrefcount(x), before)


class Layouts(case.Case):
    """Arrays that are not dense in row-major order give what their dense copies give."""

    def setUp(self):
        super().setUp()
        self.model = sluice.Model(case.GATED)
        self.x = case.images(2)
        self.expected = self.model(self.x)

    def check(self, array):
        np.testing.assert_array_equal(array, self.x)
        np.testing.assert_array_equal(self.model(array), self.expected)

    def test_channels_last(self):
        dense = np.ascontiguousarray(self.x.transpose(0, 2, 3, 1))
        self.check(dense.transpose(0, 3, 1, 2))

    def test_strided_and_reversed(self):
        wide = np.zeros((2, 3, 32, 64), np.float32)
        wide[..., ::2] = self.x
        self.check(wide[..., ::2])
        self.check(np.ascontiguousarray(self.x[::-1])[::-1])
        self.check(np.asfortranarray(self.x))

    def test_misaligned(self):
        memory = np.zeros(self.x.nbytes + 1, np.uint8)
        memory[1:] = np.frombuffer(self.x.tobytes(), np.uint8)
        array = memory[1:].view(np.float32).reshape(self.x.shape)
        self.assertFalse(array.flags.aligned)
        self.check(array)

    def test_read_only(self):
        array = self.x.copy()
        array.flags.writeable = False
        self.check(array)
        self.check(np.frombuffer(self.x.tobytes(), np.float32).reshape(self.x.shape))

    def test_subclasses_and_lists(self):
        self.check(self.x.view(np.recarray))
        class Named(np.ndarray):
            pass
        self.check(self.x.view(Named))
        self.assertRaises(sluice.Error, self.model, self.x.tolist())  # are of float64


class Gates(case.Case):
    def test_masks_of_the_last_image(self):
        model = sluice.Model(case.PER_POSITION)
        x = case.images(2)
        model(x)
        gates = model.gates()
        self.assertTrue(gates)
        for gate in gates:
            self.assertEqual(gate.values.dtype, np.float32)
            self.assertEqual(gate.mask.shape, gate.values.shape)
            self.assertEqual(gate.mask.sum(), gate.active)
            self.assertEqual(gate.mask.size, gate.total)
            self.assertEqual(gate.density, gate.mask.mean())
        model(x[1:])
        for gate, alone in zip(gates, model.gates()):
            np.testing.assert_array_equal(gate.values, alone.values)
        self.assertGreater(model.macs_executed, 0)
        self.assertLess(model.macs_executed, model.macs + model.lccl_macs)

    def test_values_are_those_of_the_graph(self):
        net = onnx.load(case.PER_POSITION)
        products = {node.name: node for node in net.graph.node}
        model = sluice.Model(case.PER_POSITION)
        x = case.images(1)
        model(x)
        for gate in model.gates():
            layer = products[gate.layer].output[0]
            readers = [node for node in net.graph.node if layer in node.input]
            while readers[0].op_type != "Mul":
                readers = [node for node in net.graph.node if readers[0].output[0] in node.input]
            net.graph.output.extend(
                onnx.helper.make_empty_tensor_value_info(name) for name in readers[0].input)
            expected = [values for values in case.answers(self.save(net), {"input": x})[-2:]
                        if values.shape[1] == 1]
            del net.graph.output[-2:]
            self.assert_close(gate.values, expected[0][0])

    def test_without_record(self):
        model = sluice.Model(case.PER_POSITION, record_gates=False)
        recording = sluice.Model(case.PER_POSITION)
        x = case.images(1)
        model(x), recording(x)
        for gate, recorded in zip(model.gates(), recording.gates()):
            self.assertIsNone(gate.values)
            self.assertIsNone(gate.mask)
            self.assertEqual(gate[:3], recorded[:3])

    def test_a_network_without_gates(self):
        model = self.small()
        model(case.images(1, 2, (5, 6, 9)), case.images(1, 1, (7, 6, 9)))
        self.assertEqual(model.gates(), [])


class Copies(case.Case):
    def test_copy(self):
        model = sluice.Model(case.PER_POSITION, threads=2)
        other = model.copy()
        x = case.images(2)
        expected = model(x[:1])
        gates = model.gates()
        np.testing.assert_array_equal(other(x[:1]), expected)
        other(x[1:])
        np.testing.assert_array_equal(model.gates()[0].values, gates[0].values)
        self.assertEqual((other.threads, model.copy(threads=1).threads), (2, 1))
        del model
        np.testing.assert_array_equal(other(x[:1]), expected)

    def test_copy_of_the_standard_library(self):
        model = self.small()
        self.assertIsNot(copy.copy(model)._core, model._core)
        self.assertRaises(TypeError, copy.deepcopy, model)


if __name__ == "__main__":
    unittest.main()
