"""Running a program as an ordinary user when we are root, since Postgres refuses root.

The program becomes that user but keeps one of root's capabilities, CAP_DAC_OVERRIDE, so that it can reach its files wherever
the project lies (root's home is closed to others). Without that capability it still works where the path is open to all.
"""

import ctypes
import os
import pwd
import sys
from collections.abc import Callable
from typing import Final

from deploy.local.failures import CannotStart

CANDIDATES: Final = ("postgres", "nobody")
PR_SET_KEEPCAPS: Final = 8
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_RAISE: Final = 2
CAP_DAC_OVERRIDE: Final = 1
CAPABILITY_VERSION_3: Final = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def ordinary_user() -> pwd.struct_passwd | None:
    """Give the user that a program which refuses root runs as; None when we aren't root. Raises `CannotStart` if there is none."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CannotStart(
        f"Postgres refuses to run as root and no user of {', '.join(CANDIDATES)} exists. Run as an ordinary user, or set DATABASE_URL."
    )


def become(user: pwd.struct_passwd | None) -> Callable[[], None] | None:
    """Give what a child calls between fork and exec to become `user`; None stays as it is."""
    if user is None:
        return None
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def change() -> None:
        if libc is not None:
            libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        if libc is not None:
            mask = 1 << CAP_DAC_OVERRIDE
            kept = (_Capabilities * 2)(_Capabilities(mask, mask, mask), _Capabilities(0, 0, 0))
            header = _Header(CAPABILITY_VERSION_3, 0)
            if libc.capset(ctypes.byref(header), kept) == 0:
                libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)

    return change
