"""One statement to ClickHouse over plain HTTP: for probes and the doctor, which load no driver."""

from __future__ import annotations

import http.client
from urllib.parse import unquote, urlencode, urlsplit

from netra.errors import NetraError, StoreUnavailable
from netra.settings import ClickHouse
from netra.store.clickhouse import database_of

_PORTS = {"http": 8123, "https": 8443}


class Refused(NetraError):
    """ClickHouse answered a statement with an error."""

    slug = "clickhouse-refused"


def ask(settings: ClickHouse, statement: str, patience_s: float = 5.0) -> list[list[str]]:
    """The rows that it answers, as text.

    Raises:
        SettingsError: there is no URL, or it is not one.
        StoreUnavailable: nobody answers.
        Refused: it answers with an error, say because the password is wrong.
    """
    database = database_of(settings)
    parts = urlsplit(settings.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    port = parts.port or _PORTS[parts.scheme]
    connection = kind(parts.hostname or "", port, timeout=patience_s)
    headers = {
        "X-ClickHouse-User": unquote(parts.username or "default"),
        "X-ClickHouse-Key": unquote(parts.password or ""),
    }
    query = urlencode({"database": database, "default_format": "TabSeparated"})
    try:
        connection.request("POST", f"/?{query}", body=statement, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as e:
        raise StoreUnavailable(f"ClickHouse does not answer at {parts.hostname}:{port}: {e}") from e
    finally:
        connection.close()
    if answer.status != 200:
        raise Refused(f"ClickHouse answered {answer.status}: {text.strip()[:300]}")
    return [line.split("\t") for line in text.splitlines()]
