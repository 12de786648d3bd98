"""`python -m hizumi.runtime`: verdicts by an exported bundle, where nothing but its engine is installed."""

import sys

from hizumi.runtime.command import main

if __name__ == "__main__":
    sys.exit(main())
