"""Python threads that run at the same time, a clone of one executor each, one thread each: seconds for all to finish.

With as many cores, two Python threads take as long as one where nothing is shared that need not be.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ..networks import load
from .common import Case, mx_bound, threads

NETWORK, FORWARDS = "mobilenetv2", 10


def cyexec(count, mx):
    """`FORWARDS` forwards in each thread: starting them is not what is measured."""
    executors = [mx_bound(load(NETWORK), mx)]
    executors += [executors[0].clone() for _ in range(count - 1)]
    pool = ThreadPoolExecutor(count)

    def work(executor):
        for _ in range(FORWARDS):
            executor.forward()

    def run():
        mx.set_num_threads(1)
        try:
            list(pool.map(work, executors))
        finally:  # the cases that follow in this process have theirs back
            mx.set_num_threads(threads())

    return run


CASES = [
    Case(f"{FORWARDS} {NETWORK} in each of {count} Python thread{'s' if count > 1 else ''}", {"cyexec": partial(cyexec, count)})
    for count in (1, 2)
]
