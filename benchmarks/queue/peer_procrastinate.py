"""Procrastinate with nothing of Netra's; runs in the environment of the peers (see `peers`).

    python peer_procrastinate.py N            prints the milliseconds of N round trips, JSON
    procrastinate --app=peer_procrastinate.app worker

`PEER_URL` is a database of its own. A job has no result: that it has ended is in its row, which is
looked at every half millisecond.
"""

import json
import os
import sys
import time

import procrastinate
import psycopg

url = os.environ["PEER_URL"]
# Who defers does not need an event loop; the worker does.
kind = (
    procrastinate.SyncPsycopgConnector if __name__ == "__main__" else procrastinate.PsycopgConnector
)
app = procrastinate.App(connector=kind(conninfo=url))


@app.task(name="nothing")
def nothing() -> None:
    pass


def round_trip(connection: psycopg.Connection) -> float:
    began = time.perf_counter()
    job = nothing.defer()
    query = "SELECT status FROM procrastinate_jobs WHERE id = %s"
    while connection.execute(query, [job]).fetchone() != ("succeeded",):
        time.sleep(0.0005)
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    with app.open(), psycopg.connect(url, autocommit=True) as looking:
        for _ in range(20):
            round_trip(looking)
        print(json.dumps([round_trip(looking) for _ in range(int(sys.argv[1]))]))
