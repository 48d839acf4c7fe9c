from tests.integration.fixtures import bench
from tests.integration.valkey import valkey

__all__ = ["bench", "valkey"]
