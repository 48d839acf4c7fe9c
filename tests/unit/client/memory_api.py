"""The API's memory twin: answers the client's requests from dictionaries, over no socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from netra.client import AsyncNetra, Netra, Retry

EARLY = "2026-05-01T00:00:00Z"
#: Retries without waiting.
QUICK = Retry(first_s=0.001, longest_s=0.002, patience_s=0.5)


def problem(status: int, slug: str, detail: str, *errors: dict[str, Any]) -> httpx.Response:
    return httpx.Response(
        status,
        json={
            "type": f"https://netra.dev/problems/{slug}",
            "title": slug,
            "status": status,
            "detail": detail,
            "errors": list(errors),
        },
        headers={"Content-Type": "application/problem+json"},
    )


def job_json(id: str, state: str = "queued", **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "workload_id": None,
        "state": state,
        "epoch": 1,
        "seq": 1,
        "created_at": EARLY,
        "stages": [],
        "labels": {},
        **fields,
    }


def letter_json(id: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "job_id": "job-1",
        "stage_id": "s",
        "agent": "noop",
        "params": {},
        "error": {"type": "ValueError", "message": "no rows"},
        "attempts": 6,
        "lost": 0,
        "created_at": EARLY,
        "replayed_at": None,
        **fields,
    }


class MemoryApi:
    """Keeps jobs, batches and workloads; `fail_next` answers once with something else."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        #: Jobs ever made: no id comes twice.
        self.made = 0
        self.keys: dict[str, str] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.workloads: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, str] = {}
        self.letters: dict[str, dict[str, Any]] = {}
        #: Answers, or exceptions, that come before the real ones; after what they did is done.
        self.lose_answers: list[Exception] = []
        self.fail_next: list[httpx.Response | Exception] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.fail_next:
            failure = self.fail_next.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        if request.headers.get("Authorization") != "Bearer key":
            return problem(401, "unauthorized", "the API key is unknown or was revoked")
        answer = self._route(request)
        if self.lose_answers:
            raise self.lose_answers.pop(0)
        return answer

    async def handle_async(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self.handle(request)

    def blocking(self, **options: Any) -> Netra:
        over = httpx.MockTransport(self.handle)
        return Netra("http://api.test", "key", over=over, **{"retry": QUICK, **options})

    def awaiting(self, **options: Any) -> AsyncNetra:
        over = httpx.MockTransport(self.handle_async)
        return AsyncNetra("http://api.test", "key", over=over, **{"retry": QUICK, **options})

    def _route(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1").strip("/").split("/")
        route: Callable[..., httpx.Response] | None = getattr(
            self, f"_{request.method.lower()}_{path[0].partition('-')[0]}", None
        )
        assert route is not None, f"the twin has no {request.method} {request.url.path}"
        return route(request, *path[1:])

    def _get_whoami(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"tenant_id": "t", "key_name": "first"})

    def _post_jobs(self, request: httpx.Request, *path: str) -> httpx.Response:
        if path:
            job = self.jobs[path[0]]
            job["state"] = {"cancel": "cancelled", "retry": "queued"}[path[1]]
            return httpx.Response(202, json=job)
        body = json.loads(request.content)
        key = request.headers.get("Idempotency-Key") or body["idempotency_key"]
        id, created = self._submit(body, key)
        replayed = {} if created else {"Idempotency-Replayed": "true"}
        return httpx.Response(202, json={"job": self.jobs[id]}, headers=replayed)

    def _submit(self, body: dict[str, Any], key: str) -> tuple[str, bool]:
        if key in self.keys:
            return self.keys[key], False
        self.made += 1
        id = f"job-{self.made}"
        self.keys[key] = id
        self.jobs[id] = job_json(id, labels=body.get("labels", {}), pipeline=body["pipeline"])
        return id, True

    def _get_jobs(self, request: httpx.Request, *path: str) -> httpx.Response:
        if path[:1] and path[0] not in self.jobs:
            return problem(404, "not-found", f"there is no job {path[0]!r}")
        if len(path) == 1:
            return httpx.Response(200, json=self.jobs[path[0]])
        if path:
            if path[0] not in self.reports:
                return problem(404, "not-found", "the job has no report yet")
            return httpx.Response(200, text=self.reports[path[0]])
        return self._page(list(self.jobs.values()), request)

    def _page(self, items: list[Any], request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("cursor", 0))
        end = start + int(request.url.params.get("limit", 50))
        more = str(end) if end < len(items) else None
        return httpx.Response(200, json={"items": items[start:end], "next": more})

    def _post_batches(self, request: httpx.Request, *path: str) -> httpx.Response:
        if path:
            (batch,) = (b for b in self.batches.values() if b["id"] == path[0])
            for id in batch["jobs"]:
                self.jobs[id]["state"] = "cancelled"
            return httpx.Response(202, json=self._batch(batch))
        body = json.loads(request.content)
        for i, job in enumerate(body["jobs"]):
            if job["labels"].get("refuse"):
                where = {"where": f"jobs[{i}].labels", "problem": "refused by the server"}
                return problem(400, "invalid-input", "jobs cannot be submitted", where)
        answered = [self._submit(job, job["idempotency_key"]) for job in body["jobs"]]
        batch = self.batches.setdefault(
            body["name"], {"id": f"batch-{body['name']}", "name": body["name"], "jobs": set()}
        )
        batch["jobs"] |= {id for id, _ in answered}
        jobs = [{"id": id, "created": created} for id, created in answered]
        return httpx.Response(202, json={"batch": self._batch(batch), "jobs": jobs})

    def _batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        states: dict[str, int] = {}
        for id in batch["jobs"]:
            states[self.jobs[id]["state"]] = states.get(self.jobs[id]["state"], 0) + 1
        finished = sum(states.get(state, 0) for state in ("succeeded", "failed", "cancelled"))
        total = len(batch["jobs"])
        return {
            "id": batch["id"],
            "name": batch["name"],
            "created_at": EARLY,
            "total": total,
            "states": states,
            "finished": finished,
            "progress": finished / total,
        }

    def _get_batches(self, request: httpx.Request, id: str, *path: str) -> httpx.Response:
        for batch in self.batches.values():
            if batch["id"] == id and path:
                return self._page([self.jobs[job] for job in sorted(batch["jobs"])], request)
            if batch["id"] == id:
                return httpx.Response(200, json=self._batch(batch))
        return problem(404, "not-found", f"there is no batch {id!r}")

    def _get_dead(self, request: httpx.Request, *path: str) -> httpx.Response:
        if not path:
            return self._page(list(self.letters.values()), request)
        if path[0] not in self.letters:
            return problem(404, "not-found", f"there is no dead letter {path[0]}")
        return httpx.Response(200, json=self.letters[path[0]])

    def _post_workloads(self, request: httpx.Request, *path: str) -> httpx.Response:
        rows = request.content.count(b"\n")
        if path:
            (workload,) = (w for w in self.workloads.values() if w["id"] == path[0])
            ingest = {"id": "i", "format": "csv", "rows": rows, "events": 0, "duplicates": rows}
            return httpx.Response(200, json={"workload": workload, "ingest": ingest})
        name = request.url.params.get("name", "")
        workload = {
            "id": f"id-{name}",
            "name": name,
            "state": "ready",
            "anchored": True,
            "events": rows,
            "min_ts": EARLY,
            "max_ts": EARLY,
            "created_at": EARLY,
        }
        self.workloads[name] = workload
        ingest = {"id": "i", "format": "csv", "rows": rows, "events": rows, "duplicates": 0}
        return httpx.Response(201, json={"workload": workload, "ingest": ingest})

    def _get_workloads(self, request: httpx.Request, *path: str) -> httpx.Response:
        if not path:
            return self._page(list(self.workloads.values()), request)
        for workload in self.workloads.values():
            if path[0] in (workload["id"], workload["name"]):
                return httpx.Response(200, json=workload)
        return problem(404, "not-found", f"there is no workload {path[0]!r}")

    def _delete_workloads(self, request: httpx.Request, id: str) -> httpx.Response:
        self.workloads = {n: w for n, w in self.workloads.items() if w["id"] != id}
        return httpx.Response(204)
