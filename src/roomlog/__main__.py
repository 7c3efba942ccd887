"""`python -m roomlog` is the command `roomlog`."""

import sys

from roomlog.cli import main

if __name__ == "__main__":
    sys.exit(main())
