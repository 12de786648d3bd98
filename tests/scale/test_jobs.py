"""Jobs in this process: in order, one failure among them, and in as many threads as asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from hizumi.errors import DivergedError
from hizumi.scale.jobs import Here, Job


@contextmanager
def unobserved(title: str) -> Iterator[Any]:
    yield None


def test_jobs_are_done_in_order_and_failures_stop_none_of_the_others() -> None:
    def work(shared: list[int], observe: Any) -> int:
        shared.append(torch.get_num_threads())
        if len(shared) == 2:
            raise DivergedError("the loss became NaN")
        return len(shared)

    before, seen = torch.get_num_threads(), list[int]()
    jobs = [Job(str(number), work, seen, of=number) for number in range(3)]
    done = list(Here(before + 1, unobserved).do(jobs))
    assert [each.job.of for each in done] == [0, 1, 2]
    assert [each.result for each in done] == [1, None, 3]
    assert [str(each.error) for each in done if each.error is not None] == ["the loss became NaN"]
    assert seen == [before + 1] * 3
    assert torch.get_num_threads() == before


def test_the_next_job_may_follow_from_the_last_result() -> None:
    total = [0]

    def jobs() -> Iterator[Job]:
        while total[0] < 10:
            yield Job("more", lambda shared, observe: 2 * shared, total[0] + 1)

    for done in Here(1, unobserved).do(jobs()):
        total[0] = done.result
    assert total == [14]
