"""How a command finds the API: options, the environment, else the stack that runs here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from netra import settings
from netra.client import Netra, Retry
from netra.embedded import home as homes
from netra.embedded import runfile, secrets
from netra.errors import NetraError, Unauthorized

#: A person waits at the terminal: a dead API is reported soon, one that restarts is waited for.
_PATIENCE_S = 10.0


class NoApi(NetraError):
    """No API was named, and no stack runs here."""

    slug = "no-api"


def with_api(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--url`, `--api-key` and `--home`, and passes a connected client as `netra`."""

    @click.option("--url", envvar="NETRA_API_URL", help="The API's URL. [NETRA_API_URL]")
    @click.option("--api-key", envvar="NETRA_API_KEY", help="The API key. [NETRA_API_KEY]")
    @click.option("--home", type=click.Path(), help="The folder of the stack to use.")
    @wraps(command)
    def connected(
        *args: Any, url: str | None, api_key: str | None, home: str | None, **kwargs: Any
    ) -> Any:
        named = click.get_current_context().get_parameter_source("home")
        if named is ParameterSource.COMMANDLINE:
            # Said at the command line, it counts for more than what the environment says.
            url = api_key = None
        with connect(url, api_key, home) as netra:
            return command(*args, netra=netra, **kwargs)

    return connected


def connect(url: str | None, api_key: str | None, home: str | None) -> Netra:
    """A client of the API that is named, or of the stack in `home` (default: the usual folder).

    Raises:
        NoApi: nothing is named, and no stack runs there.
        Unauthorized: an API is named, but no key for it.
    """
    if not (url and api_key):
        own_url, own_key = _stack(home, wanted=url)
        url, api_key = url or own_url, api_key or own_key
    return Netra(url, api_key, retry=Retry(patience_s=_PATIENCE_S))


def _stack(named: str | None, wanted: str | None) -> tuple[str, str]:
    home = homes.choose(named, settings.current().embedded.home)
    run = runfile.read(home)
    if wanted and wanted.rstrip("/") != run.api_url:
        raise Unauthorized(f"the API at {wanted} needs a key: --api-key or NETRA_API_KEY")
    if not run.api_url or not runfile.is_running(home):
        raise NoApi(
            f"no stack runs in {home.path}: start one with `netra up`, "
            "or name an API with --url and --api-key"
        )
    return run.api_url, secrets.ensure(home.secrets).api_key
