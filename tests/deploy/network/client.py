"""One job by the API, as a user behind the ingress sends it: `python client.py '{…}'`.

`{"url", "key", "params", "within_s"}`: submits a one-stage job of the noop agent with these
parameters and prints its id; waits, and prints its state (nothing if it had not ended by then).
With `"job"` it waits for that one.
"""

from __future__ import annotations

import json
import sys

from netra.client import JobRequest, Netra, NotFinished, Retry


def main() -> None:
    asked = json.loads(sys.argv[1])
    with Netra(asked["url"], asked["key"], retry=Retry(patience_s=20)) as netra:
        job_id = asked.get("job")
        if job_id is None:
            stage = {"agent": "noop", "params": asked["params"]}
            job_id = netra.jobs.submit(JobRequest(stages=(stage,))).id
        state = ""
        try:
            state = netra.jobs.wait(job_id, within_s=asked["within_s"]).state
        except NotFinished:
            pass
        print(json.dumps({"job": job_id, "state": state}))


if __name__ == "__main__":
    main()
