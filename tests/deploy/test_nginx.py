"""compose's nginx in front of two API processes of a real stack: what a client of the edge gets."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from netra.embedded.info import StackInfo
from netra.settings import Api
from tests.deploy.conftest import Proof
from tests.deploy.edge.api import Replica
from tests.deploy.edge.names import NameServer
from tests.deploy.edge.nginx import CONF, Nginx
from tests.deploy.tools import ROOT
from tests.waiting import until

REPLICAS = ("127.0.0.21", "127.0.0.22")
CONSOLE = "127.0.0.23"
#: Whom the tests call from, where it matters.
CALLER = "127.0.0.77"
#: The issue asks for sockets that may be silent for so long, seconds.
IDLE_S = 600


def free_port(*addresses: str) -> int:
    """A port that is free on all of `addresses`."""
    while True:
        with ExitStack() as held:
            first = held.enter_context(socket.socket())
            first.bind((addresses[0], 0))
            port: int = first.getsockname()[1]
            try:
                for address in addresses[1:]:
                    held.enter_context(socket.socket()).bind((address, port))
            except OSError:
                continue
            return port


@dataclass(kw_only=True)
class Edge:
    """A running edge, and what is behind it."""

    stack: StackInfo
    names: NameServer
    nginx: Nginx
    replicas: list[Replica]
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://localhost:{self.nginx.https}"

    def client(self, host: str = "localhost", **options: Any) -> httpx.Client:
        headers = {"X-API-Key": self.stack.api_key, "Host": f"{host}:{self.nginx.https}"}
        transport = httpx.HTTPTransport(verify=self.trust, **options)
        return httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=20)

    def socket(self, nginx: Nginx | None = None, **options: Any) -> ClientConnection:
        return connect(
            f"wss://localhost:{(nginx or self.nginx).https}/ws",
            ssl=self.trust,
            additional_headers={"X-API-Key": self.stack.api_key},
            compression=None,
            **options,
        )

    def logged(self, request_id: str) -> dict[str, Any]:
        """The API's line of a request, as soon as it is written."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            for replica in self.replicas:
                for line in replica.lines():
                    if line.get("request_id") == request_id and line["logger"].endswith("observe"):
                        return line
            time.sleep(0.05)
        raise AssertionError(f"no replica logged {request_id}")

    def another(self, folder: Path, **changed: Any) -> Nginx:
        """A second nginx before the same replicas, with something changed."""
        given = {**vars(self.nginx), "folder": folder, "http": free_port("127.0.0.1")}
        given |= {"https": free_port("127.0.0.1"), "_process": None, **changed}
        return Nginx(**given)


@pytest.fixture(scope="module")
def edge(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("edge")
    subprocess.run([ROOT / "compose" / "make-secrets", folder], check=True, capture_output=True)
    port = free_port(*REPLICAS)
    replicas = [Replica(stack, address, port, folder) for address in REPLICAS]
    with NameServer({"backend": REPLICAS}) as names, ExitStack() as running:
        for replica in replicas:
            running.callback(replica.stop)
            replica.start()
        nginx = Nginx(
            folder=folder / "nginx",
            tls=folder / "tls",
            http=free_port("127.0.0.1"),
            https=free_port("127.0.0.1"),
            names=names.port,
            backend=port,
            frontend=free_port(CONSOLE),
        )
        for replica in replicas:
            replica.wait()
        running.enter_context(nginx)
        trust = ssl.create_default_context(cafile=str(folder / "tls" / "tls.crt"))
        yield Edge(stack=stack, names=names, nginx=nginx, replicas=replicas, trust=trust)


def test_a_follower_gets_its_facts_through_the_edge(edge: Edge, proof: Proof) -> None:
    with edge.client() as client:
        answer = client.post("/api/v1/jobs", json={"stages": [{"agent": "noop"}]})
        assert answer.status_code == 202, answer.text
        job = answer.json()["job"]["id"]
    begun = time.monotonic()
    with edge.socket() as ws:
        ws.send(json.dumps({"type": "subscribe", "job_id": job}))
        facts: list[dict[str, Any]] = []
        while not facts or facts[-1]["kind"] != "job.succeeded":
            message = json.loads(ws.recv(timeout=20))
            if message["type"] == "fact":
                facts.append(message)
    assert [fact["seq"] for fact in facts] == list(range(1, len(facts) + 1))
    took = time.monotonic() - begun
    proof(f"nginx: upgraded to /ws over TLS; {len(facts)} facts of a job in order, {took:.1f} s")


def test_both_replicas_serve_and_the_console_has_its_place(edge: Edge) -> None:
    with edge.client() as client:
        for _ in range(40):
            assert client.get("/api/v1/whoami").status_code == 200
        served = set(re.findall(r'"upstream":"([\d.]+):', edge.nginx.access()))
        assert served == set(REPLICAS)
        # Without a console it is said what is missing; with one it is asked.
        answer = client.get("/jobs")
        assert (answer.status_code, "--profile frontend" in answer.text) == (503, True)
        with console(edge.nginx.frontend):
            edge.names.names["frontend"] = [CONSOLE]
            try:
                until(lambda: client.get("/jobs").text == "console at /jobs", within_s=5)
                assert client.get("/api/health").text == "console at /api/health"
                assert client.get("/api/v1/whoami").json()["tenant_id"] == "default"
            finally:
                del edge.names.names["frontend"]
    with edge.client("api.example.org") as client:
        assert client.get("/health/ready").status_code == 200
        assert client.get("/jobs").status_code == 404
        assert "X-Request-ID" in client.get("/jobs").headers


@contextmanager
def console(port: int) -> Iterator[None]:
    """Stands in for the console, which is not built yet."""

    class Console(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"console at {self.path}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((CONSOLE, port), Console)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_metrics_and_flower_are_not_to_be_had_from_outside(edge: Edge) -> None:
    for host in ("localhost", "api.example.org", "app.example.org"):
        with edge.client(host) as client:
            assert client.get("/metrics").status_code == 404
            assert client.get("/metrics/").status_code == 404
            assert client.get("/%6detrics").status_code == 404
    upstreams = re.findall(r"http://(\w+):(\d+)", CONF.read_text())
    assert set(upstreams) == {("backend", "8000"), ("frontend", "3000")}


def test_plain_http_leads_to_tls(edge: Edge) -> None:
    base = f"http://127.0.0.1:{edge.nginx.http}"
    assert httpx.get(f"{base}/health").json() == {"status": "ok"}
    answer = httpx.post(f"{base}/api/v1/jobs?x=1", headers={"Host": "api.example.org"})
    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://api.example.org/api/v1/jobs?x=1"


def test_request_ids_go_through_or_are_made(edge: Edge, proof: Proof) -> None:
    with edge.client() as client:
        given = client.get("/api/v1/whoami", headers={"X-Request-ID": "order-66.a_b"})
        assert given.headers.get_list("X-Request-ID") == ["order-66.a_b"]
        made = client.get("/api/v1/whoami", headers={"X-Request-ID": 'no "id" at all'})
        (own,) = made.headers.get_list("X-Request-ID")
        assert re.fullmatch(r"[0-9a-f]{32}", own)
        # nginx' own answers carry one, too.
        large = client.post("/api/v1/jobs", content=b"x" * 70_000_000)
        assert large.status_code == 413
        assert re.fullmatch(r"[0-9a-f]{32}", large.headers["X-Request-ID"])
    for request_id in ("order-66.a_b", own):
        assert edge.logged(request_id)["message"].startswith("GET /api/v1/whoami 200")
        line = f'"request_id":"{request_id}"'
        until(lambda line=line: line in edge.nginx.access(), within_s=10)
    proof("nginx: a caller's request id, or a new one, is in the answer, nginx's log and the API's")


def test_the_api_knows_who_calls_and_believes_nobody_else(edge: Edge, proof: Proof) -> None:
    spoofed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    with edge.client(local_address=CALLER) as client:
        client.get("/api/v1/whoami", headers={**spoofed, "X-Request-ID": "through-edge"})
    assert edge.logged("through-edge")["client"] == CALLER
    # nginx writes its line once the answer is out.
    until(lambda: f'"client":"{CALLER}"' in edge.nginx.access(), within_s=10)
    # Past the edge: whoever is no trusted proxy is taken for what it is.
    replica = edge.replicas[0]
    with httpx.Client(transport=httpx.HTTPTransport(local_address=CALLER)) as client:
        headers = {**spoofed, "X-Request-ID": "past-edge", "X-API-Key": edge.stack.api_key}
        client.get(f"http://{replica.address}:{replica.port}/api/v1/whoami", headers=headers)
    assert edge.logged("past-edge")["client"] == CALLER
    proof(f"nginx: the API logs the caller's address {CALLER}; forged X-Forwarded-For is not taken")


def test_an_upload_reaches_the_api_before_its_last_byte_is_sent(edge: Edge, proof: Proof) -> None:
    row = b'{"ts":"2026-01-05T00:00:00Z","model":"m","input_tokens":10,"output_tokens":5}\n'
    first, rest = row * 40_000, row * 20_000
    upload = http.client.HTTPSConnection("localhost", edge.nginx.https, context=edge.trust)
    query = "name=streamed&format=netra-jsonl"
    upload.putrequest("POST", f"/api/v1/workloads/?{query}")
    upload.putheader("X-API-Key", edge.stack.api_key)
    upload.putheader("Content-Length", str(len(first) + len(rest)))
    upload.endheaders()
    upload.send(first)
    # The API spools whole pieces of 1 MiB; what it has by now has left nginx.
    until(lambda: max(r.spooled() for r in edge.replicas) >= 2 << 20, within_s=10)
    arrived = max(r.spooled() for r in edge.replicas)
    upload.send(rest)
    answer = upload.getresponse()
    assert answer.status == 201, answer.read()
    upload.close()
    proof(
        f"nginx: upload streamed, {arrived / 1e6:.1f} MB were with the API while"
        f" {len(rest) / 1e6:.1f} of {(len(first) + len(rest)) / 1e6:.1f} MB were still unsent"
    )


def blocks(location: str) -> list[str]:
    """The bodies of a location of the configuration."""
    return re.findall(rf"location {re.escape(location)} \{{([^}}]*)\}}", CONF.read_text())


def test_limits_are_those_of_the_api_and_of_the_issue() -> None:
    for block in (*blocks("= /ws"), *blocks("/api/v1/workloads")):
        for name in ("proxy_read_timeout", "proxy_send_timeout"):
            seconds = re.search(rf"{name} (\d+)s;", block)
            assert seconds is not None
            assert int(seconds[1]) >= IDLE_S
    assert len(blocks("= /ws")) == len(blocks("/api/v1/workloads")) == 2
    for block in blocks("/api/v1/workloads"):
        assert "proxy_request_buffering off;" in block
        assert "client_max_body_size 0;" in block
    largest = re.search(r"^    client_max_body_size (\d+)m;", CONF.read_text(), re.MULTILINE)
    assert largest is not None
    assert Api().max_body_bytes <= int(largest[1]) << 20 <= 1.1 * Api().max_body_bytes


def test_a_silent_socket_is_kept(edge: Edge, tmp_path: Path, proof: Proof) -> None:
    """Time runs 400 times as fast in nginx: 10 minutes are 1.5 s, and the API's pings far apart."""
    faster, silent_s = 400, IDLE_S / 400
    limits = {"limits": CONF.read_text()}
    limits["none"] = re.sub(r"proxy_(?:read|send)_timeout 3600s;", "", limits["limits"])
    ended: dict[str, bool] = {}
    for name, conf in limits.items():
        with (
            edge.another(tmp_path / name, faster=faster, conf=conf) as nginx,
            edge.socket(nginx, ping_interval=None) as ws,
        ):
            time.sleep(silent_s)
            try:
                ws.send(json.dumps({"type": "ping"}))
                ended[name] = json.loads(ws.recv(timeout=5)) != {"type": "pong"}
            except ConnectionClosed:
                ended[name] = True
    # Without the limits of its own, /ws has those of other requests: the test can fail.
    assert ended == {"limits": False, "none": True}
    proof(
        f"nginx: a socket silent for {IDLE_S} s of nginx's time ({faster} times as fast) is kept;"
        " with the limits of other requests it is cut"
    )


@pytest.mark.slow
@pytest.mark.timeout(IDLE_S + 120)
def test_a_silent_socket_is_kept_for_ten_minutes(edge: Edge, proof: Proof) -> None:
    with edge.socket(ping_interval=None) as ws:
        begun = time.monotonic()
        time.sleep(IDLE_S + 5)
        ws.send(json.dumps({"type": "ping"}))
        assert json.loads(ws.recv(timeout=5)) == {"type": "pong"}
        proof(f"nginx: a socket was silent for {time.monotonic() - begun:.0f} s and answers")


def test_a_replica_that_is_killed_is_passed_over(edge: Edge, proof: Proof) -> None:
    victim, other = edge.replicas
    statuses: list[int] = []
    cut: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        with edge.client() as client:
            while not stop.is_set():
                try:
                    answer = client.get("/api/v1/whoami")
                except httpx.RemoteProtocolError as e:
                    # It died between an answer's head and its body: the usual retry covers that.
                    cut.append(e)
                    answer = client.get("/api/v1/whoami")
                statuses.append(answer.status_code)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for thread in askers:
        thread.start()
    try:
        until(lambda: len(statuses) > 40, within_s=10)
        victim.kill()
        after = len(statuses)
        # Its address stays in the answers of the name server, as it does for a while in compose.
        until(lambda: len(statuses) > after + 200, within_s=20)
    finally:
        stop.set()
        for thread in askers:
            thread.join()
        victim.start()
        victim.wait()
    assert set(statuses) == {200}
    assert len(cut) <= len(askers)
    passed = re.findall(rf'"upstream":"{victim.address}:\d+, {other.address}:', edge.nginx.access())
    assert passed
    proof(
        f"nginx: one of two API processes killed under load: {len(statuses)} of {len(statuses)}"
        f" requests answered 200, {len(passed)} by the other one after the first had failed;"
        f" {len(cut)} asked once more, cut off in the middle of their answers"
    )


def test_replicas_that_come_and_go_are_found_without_a_restart(edge: Edge) -> None:
    victim, other = edge.replicas
    edge.names.names["backend"] = [other.address]
    try:
        time.sleep(1.5)
        before = len(edge.nginx.access())
        with edge.client() as client:
            assert all(client.get("/api/v1/whoami").status_code == 200 for _ in range(20))
        assert f'"upstream":"{victim.address}' not in edge.nginx.access()[before:]
    finally:
        edge.names.names["backend"] = list(REPLICAS)


def test_the_workers_connections_fit_the_containers_memory() -> None:
    """A worker has 7 MB for 16,384 connections before the first; not one a core of the host."""
    configuration = (ROOT / "compose" / "nginx.conf").read_text()
    [workers] = re.findall(r"^worker_processes (\d+);", configuration, re.M)
    [connections] = re.findall(r"worker_connections (\d+);", configuration)
    services = yaml.safe_load((ROOT / "compose" / "compose.yaml").read_text())["services"]
    limit = int(services["nginx"]["deploy"]["resources"]["limits"]["memory"].removesuffix("M"))
    assert int(workers) * 7 * int(connections) / 16384 < limit / 4
