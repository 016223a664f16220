"""`python -m d2lcnn` is the command `d2lcnn`, for `torchrun -m`. nbdev makes no `__main__`."""
import sys

from d2lcnn.cli import main

if __name__ == '__main__':
    sys.exit(main())
