"""Becomes another program, tied to the life of the supervisor: `launch.py UID GID SIGNAL PARENT …`.

The kernel sends SIGNAL to the program when the supervisor dies, however it dies (Linux only).
This has to be asked for between fork and exec, and after the change of account, which would undo
it. A function that Python runs there (`preexec_fn`) may deadlock in a program with threads, so
this small program is put in between instead. It imports nothing but what it needs: every child
pays for it.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    uid, gid, number, parent = (int(a) for a in sys.argv[1:5])
    command = sys.argv[5:]
    # Loaded first: the other account may not be able to read Python's own files.
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if library is not None:
        library.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the supervisor was gone before this program started")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
