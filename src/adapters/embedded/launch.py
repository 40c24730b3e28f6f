"""Last step before a store's `exec`: change user, keep the least capability, die with the parent.

Run as a script (`python -I -S launch.py …`) and not as `preexec_fn`, which is unsafe in a process
with threads. It imports the standard library only, so it costs one bare interpreter start, and it
replaces itself with the store: the pid the parent knows is the store's own.

The order matters. The kernel forgets the parent-death signal when the credentials change, so it is
set last; and a parent that died before that moment sends no signal, so it is looked for afterwards.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
# access(2) drops the capabilities of a process whose real user is not root; with this bit it
# judges by the effective ones, which PostgreSQL needs to find its own binary under a 0700 home.
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _prctl(libc: ctypes.CDLL, option: int, second: int, third: int = 0) -> None:
    if libc.prctl(option, second, third, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def change_user(libc: ctypes.CDLL, uid: int, gid: int, capabilities: list[int]) -> None:
    """Become `uid`:`gid` with no groups and exactly `capabilities`, also after `exec`.

    Raises:
        OSError: the kernel refused, e.g. in a container without CAP_SETUID.
    """
    if capabilities:
        with contextlib.suppress(OSError):  # needs CAP_SETPCAP; only closed homes need the bit
            _prctl(libc, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
        _prctl(libc, PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = sum(1 << number for number in capabilities)
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapData * 2)(_CapData(mask, mask, mask), _CapData(0, 0, 0))
    if libc.capset(ctypes.byref(header), data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")
    for number in capabilities:
        _prctl(libc, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)


def main(arguments: list[str]) -> int:
    """Prepare this process as told and become the command; returns only on failure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--capability", type=int, action="append", default=[])
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    try:
        # The parent ignores or blocks signals for its own reasons; a store starts with defaults.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            if options.uid is not None:
                change_user(libc, options.uid, options.gid, options.capability)
            _prctl(libc, PR_SET_PDEATHSIG, options.death_signal)
            if os.getppid() != options.parent:
                return 0
        os.umask(0o077)
        os.execv(options.command[0], options.command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"FATAL: {error}\n")
        return 71


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
