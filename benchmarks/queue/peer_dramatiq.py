"""Dramatiq with nothing of Netra's; runs in the environment of the peers (see `peers`).

    python peer_dramatiq.py N      prints the milliseconds of N round trips, JSON
    dramatiq peer_dramatiq         the worker

`PEER_URL` is where Redis is.
"""

import json
import os
import sys
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

url = os.environ["PEER_URL"]
broker = RedisBroker(url=url)
broker.add_middleware(Results(backend=RedisBackend(url=url)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def nothing():
    return True


def round_trip() -> float:
    began = time.perf_counter()
    nothing.send().get_result(block=True, timeout=60_000)
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    for _ in range(20):
        round_trip()
    print(json.dumps([round_trip() for _ in range(int(sys.argv[1]))]))
