"""Models in several threads, and what the interpreter does while one runs."""

import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import case
import sluice

ROUNDS = 20


class Threads(case.Case):
    def run_in_two(self, models):
        """Each thread runs other images over and over; all answers are those of one thread."""
        x = case.images(2)
        expected = [models[0](image[None]) for image in x]
        ready = threading.Barrier(2)

        def work(number):
            ready.wait()
            return [models[number](x[number][None]) for _ in range(ROUNDS)]

        with ThreadPoolExecutor(2) as threads:
            for number, results in enumerate(threads.map(work, range(2))):
                for result in results:
                    np.testing.assert_array_equal(result, expected[number])

    def test_a_model_each(self):
        self.run_in_two([sluice.Model(case.PER_POSITION), sluice.Model(case.PER_POSITION)])

    def test_copies(self):
        model = sluice.Model(case.PER_POSITION)
        self.run_in_two([model, model.copy()])

    def test_one_model(self):
        model = sluice.Model(case.PER_POSITION)
        self.run_in_two([model, model])

    def test_several_threads_of_its_own(self):
        x = case.images(5)
        expected = sluice.Model(case.GATED)(x)
        for threads in (2, 3):
            np.testing.assert_array_equal(sluice.Model(case.GATED, threads=threads)(x), expected)

    def test_gates_while_another_thread_runs(self):
        model = sluice.Model(case.PER_POSITION)
        x = case.images(50)
        model(x)
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(lambda: [model(x) for _ in range(5)])
            while not running.done():
                for gate in model.gates():
                    self.assertEqual(int(gate.mask.sum()), gate.active)


class Interpreter(case.Case):
    def ticks_during(self, work):
        """How often another thread woke up while `work` was under way."""
        started, ended = threading.Event(), threading.Event()
        ticks = 0

        def run():
            started.set()
            work()
            ended.set()

        thread = threading.Thread(target=run)
        thread.start()
        started.wait()
        while not ended.is_set():
            time.sleep(0.001)
            ticks += not ended.is_set()
        thread.join()
        return ticks

    def test_goes_on(self):
        model = sluice.Model(case.GATED)
        x = case.images(1)
        model(x)
        start = time.perf_counter()
        model(x)
        count = int(0.5 / (time.perf_counter() - start)) + 1  # half a second's work, in one call
        batch = np.repeat(x, count, axis=0)
        self.assertGreater(self.ticks_during(lambda: model(batch)), 20)


if __name__ == "__main__":
    unittest.main()
