from tests.integration.fixtures import bench
from tests.integration.progress.conftest import valkey

__all__ = ["bench", "valkey"]
