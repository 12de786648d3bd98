"""The version, without importing anything else."""

from importlib.metadata import version

__version__ = version("hizumi")
