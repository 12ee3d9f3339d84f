"""Runs a command under the restrictions that the systemd unit states, without a systemd: `confined.py STATE COMMAND…`.

Each directive of the unit's `[Service]` section is either applied as systemd.exec(5) describes it, with the kernel's own
means (mount namespace, capability sets, seccomp filters through libseccomp), or named in `ELSEWHERE`. One that is in neither
is an error, so that the unit cannot grow a restriction that nothing ran under. `WITHOUT` in the environment leaves some
out: then what they forbid must succeed, or the test proves nothing.

The interpreter and the program stay visible where they are, also below a home directory, as if installed to /opt.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
UNIT = ROOT / "packaging/systemd/commune-agent.service"
USER = 61_184
"""The first number that systemd gives to dynamic users."""
STATE = "/var/lib/commune-agent"

MOUNTS = frozenset({
    "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "StateDirectory", "StateDirectoryMode",
    "ProtectControlGroups", "ProtectKernelTunables", "ProtectProc",
})  # fmt: skip
RIGHTS = frozenset({"DynamicUser", "CapabilityBoundingSet", "AmbientCapabilities", "NoNewPrivileges", "UMask"})
CALLS = frozenset({
    "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
    "MemoryDenyWriteExecute", "SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber", "ProtectClock",
    "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
})  # fmt: skip
ELSEWHERE = frozenset({
    "Type", "ExecStart", "ExecReload", "Environment", "Restart", "RestartSec", "TimeoutStopSec",  # of the service manager
    "ConfigurationDirectory", "RemoveIPC", "MemoryMax", "TasksMax",  # of the service manager; the last two the test compares
})  # fmt: skip

ALLOW, REFUSE = 0x7FFF0000, 0x00050000
NOT_EQUAL, EQUAL, GREATER, MASKED = 1, 4, 6, 7
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17}
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00000080)
ALWAYS = {"@default", "execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "sigreturn"}
"""What systemd.exec(5) allows whatever the filter says."""


def directives() -> dict[str, list[str]]:
    """The `[Service]` section without what `WITHOUT` names: every value of each key."""
    service = UNIT.read_text().split("[Service]")[1].split("[Install]")[0]
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"(?m)^([A-Za-z]+)=(.*)$", service):
        if key not in os.environ.get("WITHOUT", "").split():
            found.setdefault(key, []).append(value)
    if unknown := set(found) - MOUNTS - RIGHTS - CALLS - ELSEWHERE:
        sys.exit(f"nothing applies these directives of {UNIT.name}: {', '.join(sorted(unknown))}")
    return found


# The file system.


def mount(*words: str) -> None:
    """mount(8)."""
    subprocess.run(["mount", *words], check=True)


def read_only(path: str, *, on: bool, recursive: bool = False) -> None:
    """Set or clear the flag of a mount (mount_setattr(2), Linux 5.12), with all that is mounted below it."""
    flags = (ctypes.c_uint64 * 4)(1 if on else 0, 0 if on else 1, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(442, -100, path.encode(), 0x8000 if recursive else 0, ctypes.byref(flags), 32):
        raise OSError(ctypes.get_errno(), "mount_setattr", path)


def arrange(unit: dict[str, list[str]], state: str) -> None:
    """A mount namespace with what the service sees and can change."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x00020000):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("--make-rslave", "/")
    mount("-t", "tmpfs", "tmpfs", "/mnt")
    shown = dict.fromkeys([sys.base_prefix, sys.prefix, str(ROOT)])
    for number, path in enumerate((*shown, state)):
        Path(f"/mnt/{number}").mkdir()
        mount("--rbind", path, f"/mnt/{number}")
    writable = ["/proc", "/dev"]
    hidden = (["/tmp", "/var/tmp"] if "PrivateTmp" in unit else []) + (["/root", "/home"] if "ProtectHome" in unit else [])
    for path in hidden:
        mount("-t", "tmpfs", "-o", "mode=1777" if path.endswith("tmp") else "mode=755", "tmpfs", path)
    if "StateDirectory" in unit:
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/lib")
        Path(STATE).mkdir()
        mount("--bind", f"/mnt/{len(shown)}", STATE)
        os.chown(STATE, USER, USER)
        Path(STATE).chmod(int(unit["StateDirectoryMode"][0], 8))
    for number, path in enumerate(shown):
        if any(Path(path).is_relative_to(one) for one in hidden):
            Path(path).mkdir(parents=True, exist_ok=True)
            mount("--rbind", f"/mnt/{number}", path)
    if "PrivateDevices" in unit:
        devices(("null", "zero", "full", "random", "urandom", "tty"))
    if "ProtectSystem" in unit:
        read_only("/", on=True, recursive=True)
        for path in (
            *writable,
            *(path for path in hidden if path.endswith("tmp")),
            *([STATE] if "StateDirectory" in unit else []),
        ):
            read_only(path, on=False)
    if "ProtectKernelTunables" in unit:
        mount("--bind", "/proc/sys", "/proc/sys")
        read_only("/proc/sys", on=True)
    os.chdir("/")


def devices(kept: Iterable[str]) -> None:
    """A /dev of the pseudo devices alone."""
    Path("/mnt/dev").mkdir()
    mount("--rbind", "/dev", "/mnt/dev")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev")
    for name in kept:
        Path(f"/dev/{name}").touch()
        mount("--bind", f"/mnt/dev/{name}", f"/dev/{name}")


# The system calls.


class Rule(ctypes.Structure):
    """`struct scmp_arg_cmp` of seccomp.h."""

    _fields_ = (("argument", ctypes.c_uint), ("how", ctypes.c_int), ("first", ctypes.c_uint64), ("second", ctypes.c_uint64))


class Filter:
    """One seccomp filter; the kernel takes the strictest answer of all that are loaded."""

    def __init__(self, default: int) -> None:
        self._library = library = ctypes.CDLL("libseccomp.so.2")
        library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))

    def add(self, action: int, call: str, *rules: Rule) -> None:
        """Answer a call so, where all rules about its arguments hold; a call that this architecture lacks is passed over."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return
        array = (Rule * len(rules))(*rules)
        code = self._library.seccomp_rule_add_array(self._context, ctypes.c_uint32(action), number, len(rules), array)
        if code not in (0, -errno.EEXIST):
            raise OSError(-code, f"seccomp rule for {call}")

    def load(self) -> None:
        """From now on, for this process and its children."""
        code = self._library.seccomp_load(self._context)
        if code:
            raise OSError(-code, "seccomp_load")


def groups() -> dict[str, list[str]]:
    """systemd's own groups of system calls."""
    found: dict[str, list[str]] = {}
    said = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], check=True, capture_output=True, text=True).stdout
    for line in said.splitlines():
        word = line.strip()
        if line.startswith("@"):
            current = found[word] = []
        elif not line.startswith(" "):
            current = []  # calls that are in no group
        elif word and not word.startswith("#"):
            current.append(word)
    return found


def expand(words: Iterable[str], known: dict[str, list[str]]) -> set[str]:
    """Groups to calls."""
    calls: set[str] = set()
    for word in words:
        calls |= expand(known[word], known) if word.startswith("@") else {word}
    return calls


def allowed(values: list[str], known: dict[str, list[str]]) -> set[str]:
    """The calls that a list of `SystemCallFilter` values lets pass; the first value is what is allowed."""
    calls = expand(ALWAYS, known)
    for value in values:
        if value.startswith("~"):
            calls -= expand(value[1:].split(), known) - expand(ALWAYS, known)
        else:
            calls |= expand(value.split(), known)
    return calls


def refuse(unit: dict[str, list[str]]) -> None:
    """Load what the unit says of system calls, the list of allowed ones last."""
    known = groups()
    refused = Filter(ALLOW)
    denied = REFUSE | errno.EPERM
    if "RestrictAddressFamilies" in unit:
        numbers = [FAMILIES[name] for name in unit["RestrictAddressFamilies"][0].split()]
        for family in set(range(max(numbers))) - set(numbers):
            refused.add(REFUSE | errno.EAFNOSUPPORT, "socket", Rule(0, EQUAL, family))
        refused.add(REFUSE | errno.EAFNOSUPPORT, "socket", Rule(0, GREATER, max(numbers)))
    if "RestrictNamespaces" in unit:
        refused.add(REFUSE | errno.ENOSYS, "clone3")
        refused.add(denied, "setns")
        for flag in NAMESPACES:
            refused.add(denied, "unshare", Rule(0, MASKED, flag, flag))
            if flag != 0x00000080:  # of clone's arguments this bit belongs to the signal
                refused.add(denied, "clone", Rule(0, MASKED, flag, flag))
    if "MemoryDenyWriteExecute" in unit:
        refused.add(denied, "mmap", Rule(2, MASKED, 6, 6))
        refused.add(denied, "mprotect", Rule(2, MASKED, 4, 4))
        refused.add(denied, "pkey_mprotect", Rule(2, MASKED, 4, 4))
        refused.add(denied, "shmat", Rule(2, MASKED, 0o100000, 0o100000))
    if "RestrictSUIDSGID" in unit:
        for call, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2)):
            for bit in (0o4000, 0o2000):
                refused.add(denied, call, Rule(argument, MASKED, bit, bit))
    if "RestrictRealtime" in unit:
        for policy in (1, 2, 6):
            refused.add(denied, "sched_setscheduler", Rule(1, EQUAL, policy))
    if "LockPersonality" in unit:
        refused.add(denied, "personality", Rule(0, NOT_EQUAL, 0))
    named = {"ProtectClock": ["@clock"], "ProtectHostname": ["sethostname", "setdomainname"], "ProtectKernelLogs": ["syslog"]}
    for key, words in {**named, "ProtectKernelModules": ["@module"]}.items():
        for call in expand(words, known) - {"adjtimex", "clock_adjtime"} if key in unit else ():
            refused.add(denied, call)
    refused.load()
    if "SystemCallFilter" in unit:
        listed = Filter(REFUSE | getattr(errno, unit["SystemCallErrorNumber"][0]))
        for call in sorted(allowed(unit["SystemCallFilter"], known)):
            listed.add(ALLOW, call)
        listed.load()


def privileges(unit: dict[str, list[str]]) -> list[str]:
    """The command that gives up all rights but the unit's."""

    def names(key: str) -> str:
        kept = [f"+{word.removeprefix('CAP_').lower()}" for word in unit.get(key, [""])[0].split()]
        return ",".join(["-all", *kept])

    user = ["--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
    ambient = names("AmbientCapabilities")
    bounding = [f"--bounding-set={names('CapabilityBoundingSet')}"] if "CapabilityBoundingSet" in unit else []
    return ["setpriv", *user, f"--inh-caps={ambient}", f"--ambient-caps={ambient}", *bounding]


def main() -> None:
    """First as root, then again as the unit's user."""
    unit = directives()
    if os.geteuid() == 0:
        arrange(unit, sys.argv[1])
        os.umask(int(unit["UMask"][0], 8))
        again = [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]]
        os.execvp("setpriv", [*privileges(unit), *(["--no-new-privs"] if "NoNewPrivileges" in unit else []), *again])
    command = sys.argv[2:]
    refuse(unit)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
