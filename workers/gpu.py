"""`python -m workers.gpu`: a worker of the gpu pool."""

from __future__ import annotations

import os

# A worker that is told to go hands its stages back at once instead of finishing them.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")


def main() -> None:
    from workers.pools import main as run

    run("gpu")


if __name__ == "__main__":
    main()
