"""The command `hizumi`: argument handling and nothing else. Heavy packages are imported when a command runs."""

from hizumi.cli.entry import main as main
