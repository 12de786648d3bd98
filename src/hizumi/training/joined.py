"""A group of processes that exists already, as Fabric sees it."""

import os

from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from torch import distributed

LOCAL_COUNT = "LOCAL_WORLD_SIZE"  # set by Ray and torchrun, and not by Fabric's own launcher


def in_group() -> bool:
    """Whether another launcher than Fabric's has put this process into a group."""
    return LOCAL_COUNT in os.environ and distributed.is_available() and distributed.is_initialized()


def processes_here() -> int:
    """Processes of the group on this machine; others may have more or fewer."""
    return int(os.environ[LOCAL_COUNT])


class JoinedGroup(ClusterEnvironment):
    """The group that this process is in, in the environment variables that torchrun sets, too."""

    creates_processes_externally = True

    @property
    def main_address(self) -> str:
        """Where the group's first process listens."""
        return os.environ["MASTER_ADDR"]

    @property
    def main_port(self) -> int:
        """Its port."""
        return int(os.environ["MASTER_PORT"])

    @staticmethod
    def detect() -> bool:
        """Whether there is such a group."""
        return in_group()

    def world_size(self) -> int:
        """Processes of the group."""
        return distributed.get_world_size()

    def set_world_size(self, size: int) -> None:
        """Do nothing: a group's size is what it is."""

    def global_rank(self) -> int:
        """Number of this process in the group."""
        return distributed.get_rank()

    def set_global_rank(self, rank: int) -> None:
        """Do nothing: a process keeps its number."""

    def local_rank(self) -> int:
        """Number of this process on its machine, and of its device there."""
        return int(os.environ["LOCAL_RANK"])

    def node_rank(self) -> int:
        """Number of this machine."""
        return int(os.environ.get("NODE_RANK") or os.environ.get("GROUP_RANK") or 0)
