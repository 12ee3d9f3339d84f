"""Runs a command under the unit's restrictions where no systemd runs: `restricted.py root UNIT STATE_DIRECTORY PYTHON …`, as root.

Taken from the unit, by the means that systemd itself uses: user, capabilities and no new privileges (setpriv), a read-only
system but for the state directory (a mount namespace), the list of system calls with its error number and the families of
sockets (libseccomp), no memory that is both writable and executable (prctl), and as many tasks. Not taken: what hides parts
of the system (ProtectHome, PrivateTmp, PrivateDevices, ProtectKernelTunables and the like), since the interpreter and the
project under test may lie there; MemoryMax, which needs a control group.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.packaging.unit import settings

NOBODY = 65534
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17}
CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_CMP_EQ = 0x7FFF0000, 0x00050000, 4
EPERM = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def checked(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns 0."""
    if getattr(LIBC, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def read_only(state: Path) -> None:
    """ProtectSystem=strict: nothing can be written but the state directory, in this process and its children."""
    checked("unshare", CLONE_NEWNS)
    checked("mount", None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    place = bytes(state)
    checked("mount", place, place, None, ctypes.c_ulong(MS_BIND), None)
    checked("mount", None, b"/", None, ctypes.c_ulong(MS_REMOUNT | MS_BIND | MS_RDONLY), None)


def expanded(names: str) -> set[str]:
    """System calls of groups such as `@system-service`, as systemd has them."""
    calls: set[str] = set()
    for name in names.split():
        if not name.startswith("@"):
            calls.add(name)
            continue
        done = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        lines = [line.strip() for line in done.stdout.splitlines()[1:]]
        calls |= expanded(" ".join(line for line in lines if line and not line.startswith("#")))
    return calls


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp` of libseccomp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def filtered(unit: dict[str, list[str]]) -> None:
    """SystemCallFilter, SystemCallErrorNumber, SystemCallArchitectures=native and RestrictAddressFamilies."""
    allowed: set[str] = set()
    for line in unit["SystemCallFilter"]:
        allowed = allowed - expanded(line[1:]) if line.startswith("~") else allowed | expanded(line)
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(SCMP_ACT_ERRNO | EPERM)))
    for name in sorted(allowed - {"socket"}):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # negative: not a call of this processor
            library.seccomp_rule_add(context, ctypes.c_uint32(SCMP_ACT_ALLOW), number, 0)
    socket = library.seccomp_syscall_resolve_name(b"socket")
    for family in " ".join(unit["RestrictAddressFamilies"]).split():
        equal = Comparison(0, SCMP_CMP_EQ, FAMILIES[family], 0)
        library.seccomp_rule_add_array(context, ctypes.c_uint32(SCMP_ACT_ALLOW), socket, 1, ctypes.byref(equal))
    if library.seccomp_load(context):
        message = "seccomp: the filter was not taken"
        raise OSError(message)


def main() -> None:
    """In two steps: what needs root, then, as the other user, what stays until the end."""
    step, path, state, *command = sys.argv[1:]
    unit = settings(Path(path))
    if step == "root":
        read_only(Path(state))
        capabilities = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in unit["AmbientCapabilities"])])
        user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
        sets = [f"--{kind}={capabilities}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
        again = [command[0], "-m", "tests.packaging.restricted", "user", path, state, *command]
        os.execvp("setpriv", ["setpriv", *user, *sets, *again])
    tasks = int(unit["TasksMax"][0])
    resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
    if LIBC.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        print("this kernel cannot refuse writable and executable memory (Linux 6.3 can)", file=sys.stderr)
    filtered(unit)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
