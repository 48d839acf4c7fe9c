from tests.integration.fixtures import bench

__all__ = ["bench"]
