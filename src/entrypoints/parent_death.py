"""A child process of ours does not outlive its parent, however that ends."""

import ctypes
import os
import signal
import sys

CHILD_PROCESS = "_process"
"""First argument of `python -m entrypoints` that makes it one process of a running server."""

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` dies; exit now if it is gone already.

    It must be called before anything that takes long: until then nobody would notice.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
