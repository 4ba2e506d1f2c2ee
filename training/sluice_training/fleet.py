"""Jobs side by side, each waited for by a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Job = TypeVar("Job")


def side_by_side(
    count: int, take: Callable[[], Job | None], work: Callable[[Job], None]
) -> list[tuple[Job, Exception]]:
    """Do what `take` gives, `count` at a time, until it gives nothing while nothing is being done.

    `take` is called by one thread at a time. Returns the jobs that failed and why.
    """
    changed = threading.Condition()
    active = 0
    failed: list[tuple[Job, Exception]] = []

    def loop() -> None:
        nonlocal active
        while True:
            with changed:
                while (job := take()) is None and active:
                    changed.wait()
                if job is None:
                    return
                active += 1
            try:
                work(job)
            except Exception as error:  # one run's trouble is no other's
                failed.append((job, error))
            finally:
                with changed:
                    active -= 1
                    changed.notify_all()

    threads = [threading.Thread(target=loop, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed
