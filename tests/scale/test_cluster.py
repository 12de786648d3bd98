"""Clusters: joined, and refused in one line."""

import platform

from hizumi.scale.cluster import cluster


def test_a_running_cluster_is_joined_and_left(head: str) -> None:
    with cluster(head) as ray:
        assert ray.get(ray.remote(platform.python_version).remote()) == platform.python_version()
    assert not ray.is_initialized()
