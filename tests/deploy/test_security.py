"""docs/security.md names things that exist: each link leads to a file that has what it names."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from netra.api.access import Principal
from netra.api.observe import Observe
from netra.logging import JsonFormatter
from tests.deploy.conftest import Proof
from tests.deploy.tools import ROOT

DOCS = ROOT / "docs"
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+)\)")
_RESOURCE = re.compile(r"(aws|google|azurerm)_\w+\.\w+")
#: Links whose words are the page's own, not the file's.
_PROSE = {"evaluated", "enforced between namespaces", "tried on every route", "ADR 0015"}

ROWS = {
    "network policies": "netra-default-deny",
    "egress": "Egress is restricted",
    "private subnets": "aws_subnet.private",
    "WAF": "aws_wafv2_web_acl.main",
    "MFA": "MFA of people",
    "secret rotation": "secrets_version",
    "service accounts": "automountServiceAccountToken",
    "RBAC": "netra-deployer",
    "TLS everywhere": "rds.force_ssl",
    "encryption at rest": "at_rest_encryption_enabled",
    "KMS": "aws_kms_key.main",
    "certificate rotation": "cert-manager.io/cluster-issuer",
    "audit log": "Audit log of the API",
    "intrusion alerts": "aws_guardduty_detector.main",
    "anomaly alerts": "aws_cloudwatch_metric_alarm.anomaly",
}


def broken(page: str) -> list[str]:
    """Links of a page in docs/ to what does not exist."""
    found = []
    for words, target in _LINK.findall(page):
        path = (DOCS / target).resolve()
        if not path.exists():
            found.append(f"{target} does not exist")
        elif path.is_file() and words not in _PROSE and words != path.name:
            text = path.read_text()
            wanted = words
            if _RESOURCE.fullmatch(words):
                wanted = 'resource "{}" "{}"'.format(*words.split("."))
            if wanted not in text:
                found.append(f"{target} has no {words!r}")
    return found


def test_every_line_names_a_thing_that_exists(proof: Proof) -> None:
    page = (DOCS / "security.md").read_text()
    assert broken(page) == []
    assert [row for row, words in ROWS.items() if words not in page] == []
    assert "## Not there" in page
    planted = page.replace("aws_wafv2_web_acl.main]", "aws_wafv2_web_acl.gone]").replace(
        "deploy/terraform/rbac.yaml)", "deploy/rbac.yaml)"
    )
    assert len(broken(planted)) == 2
    links = len(_LINK.findall(page))
    proof(
        f"security: {len(ROWS)} demands, {links} links of docs/security.md lead to what they name; "
        "what is missing stands on the page; the API's audit line names tenant, key and address"
    )


def test_files_that_the_page_of_environments_names_exist() -> None:
    text = (DOCS / "environments.md").read_text()
    named = set(re.findall(r"`((?:docs|scripts|deploy|config|compose|\.github)/[\w./-]*)`", text))
    assert named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_a_call_is_a_line_that_says_who_did_what(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = Principal(tenant_id="acme", key_name="nightly", key_hash="")
        scope["path_template"] = "/api/v1/jobs/{job_id}"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def nothing(message: Any = None) -> None:
        return None

    scope = {
        "type": "http",
        "method": "DELETE",
        "path": "/api/v1/jobs/1",
        "headers": [],
        "client": ("203.0.113.7", 4711),
    }
    lines: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter("api").format(record)))

    log, keep = logging.getLogger("netra.api.observe"), Keep()
    log.addHandler(keep)
    caplog.set_level(logging.INFO, log.name)
    try:
        asyncio.run(Observe(app)(scope, nothing, nothing))
    finally:
        log.removeHandler(keep)
    (line,) = lines
    assert (line["tenant_id"], line["key_name"], line["client"]) == (
        "acme", "nightly", "203.0.113.7",
    )  # fmt: skip
    assert line["message"].startswith("DELETE /api/v1/jobs/1 204")
    assert line["request_id"]
    assert line["trace_id"]
