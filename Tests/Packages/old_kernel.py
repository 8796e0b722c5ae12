#!/usr/bin/env python3
"""Runs a program as on an older Linux: system calls that came later are not there (ENOSYS), for it and all that it starts.

    old_kernel.py 3.2|3.10 PROGRAM [ARGUMENT…]

What a later release did to a call that had been there is not taken back, and getrandom stays: OpenSSL looks for
/dev/urandom only where the release that uname tells, which cannot be changed, is before 4.8. x86_64 only.
"""

import ctypes
import os
import struct
import sys

# The first call of the next release: kcmp came with 3.5, sched_setattr with 3.14.
FIRST_MISSING = {"3.2": 312, "3.10": 314}
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ENOSYS = 22, 2, 38
GETRANDOM = 318
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, FAIL, X32 = 0x7FFF0000, 0x00050000, 0x40000000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in FIRST_MISSING:
        sys.exit(__doc__)
    code = ((LOAD, 0, 0, 0), (AT_LEAST, 0, 3, FIRST_MISSING[sys.argv[1]]), (AT_LEAST, 2, 0, X32),
            (EQUAL, 1, 0, GETRANDOM), (RETURN, 0, 0, FAIL | ENOSYS), (RETURN, 0, 0, ALLOW))
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(len(code), ctypes.addressof(text))), 0, 0):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())} (it needs root)")
    os.execvp(sys.argv[2], sys.argv[2:])


main()
