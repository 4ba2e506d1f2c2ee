"""Jobs in threads: all are done, those that wait for others too, and a failure stays its own."""

from __future__ import annotations

from sluice_training.fleet import side_by_side


def test_jobs_that_wait_for_others_are_done() -> None:
    """Job n needs job n // 2."""
    done: list[int] = []
    left = list(range(9, 1, -1))

    def take() -> int | None:
        ready = [job for job in left if job // 2 in (0, 1, *done)]
        if ready:
            left.remove(ready[0])
        return ready[0] if ready else None

    assert side_by_side(3, take, done.append) == []
    assert sorted(done) == list(range(2, 10))
    assert all(done.index(job // 2) < done.index(job) for job in done if job > 3)


def test_a_failure_leaves_the_others_alone() -> None:
    left, done = [3, 2, 1, 0], []

    def work(job: int) -> None:
        done.append(6 // job)

    failed = side_by_side(2, lambda: left.pop() if left else None, work)
    assert sorted(done) == [2, 3, 6]
    assert [job for job, _ in failed] == [0] and isinstance(failed[0][1], ZeroDivisionError)
