"""What the OpenAPI page says of limits that types alone do not show is what holds."""

from __future__ import annotations

from typing import Any

from netra.api.app import create_app
from netra.schemas.job import DEADLINE_WITHIN, KEY_LENGTH


def page() -> dict[str, Any]:
    return create_app().openapi_schema.to_schema()


def test_the_limits_of_a_submission_are_told() -> None:
    told = page()
    job = told["components"]["schemas"]["JobRequest"]["properties"]
    assert f"{DEADLINE_WITHIN.days:,} days" in job["deadline"]["description"]
    assert job["idempotency_key"]["maxLength"] == KEY_LENGTH
    (header,) = told["paths"]["/api/v1/jobs"]["post"]["parameters"]
    assert header["name"] == "Idempotency-Key"
    assert f"1 to {KEY_LENGTH} characters" in header["description"]


def test_a_retry_tells_what_becomes_of_a_deadline() -> None:
    told = page()
    assert "dropped_deadline" in told["components"]["schemas"]["Job"]["properties"]
    retry = told["paths"]["/api/v1/jobs/{job_id}/retry"]["post"]["description"]
    assert "dropped_deadline" in retry
