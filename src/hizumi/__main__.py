"""`python -m hizumi` is the command `hizumi`."""

from hizumi.cli import main

if __name__ == "__main__":
    main()
