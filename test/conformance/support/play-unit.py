"""Runs the service of a systemd unit file as systemd would, as far as that goes without systemd.

usage: play-unit.py UNIT [--socket UNIT] [--bind SOURCE:TARGET]... [--node PROGRAM] [--groups]

Needs root, libseccomp and systemd-analyze. Each line of [Service] is either played or on the list of those that
cannot be (UNPLAYED), so that a new line is not overlooked. --bind shows files where the unit wants them, --node
is the program in place of /usr/bin/node, --groups takes the commented SupplementaryGroups= as given, --socket
opens the socket of a socket unit and hands it over.

It writes 'main PID', 'notify MESSAGE' for each datagram to NOTIFY_SOCKET, and at the end 'ended STATUS' with the
exit code or the signal's negative number. The service shares its standard error.
"""

import argparse
import ctypes
import errno
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading

libc = ctypes.CDLL(None, use_errno=True)
seccomp = ctypes.CDLL('libseccomp.so.2', use_errno=True)
seccomp.seccomp_init.restype = ctypes.c_void_p
seccomp.seccomp_init.argtypes = [ctypes.c_uint32]
seccomp.seccomp_load.argtypes = [ctypes.c_void_p]

# Nothing a running service could notice, the work of systemd's own manager, or capabilities that nobody has here
# (all are dropped) and system calls that are not on the list anyway.
UNPLAYED = set(
    'Type NotifyAccess ExecReload Restart RestartSec KillMode TimeoutStopSec TimeoutStartSec RemoveIPC '
    'ProtectClock ProtectControlGroups ProtectHostname ProtectKernelLogs ProtectKernelModules '
    'ProtectKernelTunables SystemCallArchitectures AmbientCapabilities CapabilityBoundingSet'.split()
)
# As DynamicUser takes one; nobody has it.
DYNAMIC_UID = 64_321

ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
ERRNO = 0x00050000
LT, EQ, GT, MASKED_EQ = 2, 4, 6, 7


def parse(path, section='Service'):
    """The assignments of a section, in order (systemd.syntax(7))."""
    lines, here = [], None
    with open(path) as file:
        text = re.sub(r'\\\n', ' ', file.read())
    for line in text.split('\n'):
        line = line.strip()
        if line.startswith('['):
            here = line.strip('[]')
        elif here == section and line and line[0] not in '#;':
            key, _, value = line.partition('=')
            lines.append((key.strip(), value.strip()))
    return lines


def syscall_sets():
    """systemd's sets of system calls by name."""
    text = subprocess.run(
        ['systemd-analyze', '--no-pager', 'syscall-filter'], check=True, capture_output=True, text=True
    ).stdout
    sets, current = {}, None
    for line in text.split('\n'):
        if line.startswith('@'):
            current = sets.setdefault(line.strip(), [])
        elif line[:1] == '#':
            current = None
        elif line.startswith(' ') and current is not None and not line.strip().startswith('#'):
            current.append(line.strip())
    return sets


def allowed_calls(values):
    """What lines of SystemCallFilter= leave, in their order (config_parse_syscall_filter)."""
    sets = syscall_sets()

    def expand(name):
        if not name.startswith('@'):
            return {name}
        return set().union(*(expand(member) for member in sets[name]))

    if values and values[0].startswith('~'):
        raise SystemExit('play-unit: a list of what is denied cannot be played')
    allowed = expand('@default') if values else None
    for value in values:
        calls = set().union(*(expand(word) for word in value.lstrip('~').split()))
        allowed = allowed - calls if value.startswith('~') else allowed | calls
    return allowed


class Compare(ctypes.Structure):
    _fields_ = [('arg', ctypes.c_uint), ('op', ctypes.c_int), ('a', ctypes.c_uint64), ('b', ctypes.c_uint64)]


class Filter:
    """One seccomp filter. Of several the strictest answer counts."""

    def __init__(self, default):
        self.context = ctypes.c_void_p(seccomp.seccomp_init(default))

    def add(self, action, name, *compares):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # not on this machine
        array = (Compare * max(1, len(compares)))(*compares)
        result = seccomp.seccomp_rule_add_array(
            self.context, ctypes.c_uint32(action), number, len(compares), array
        )
        if result not in (0, -errno.EACCES, -errno.EDOM):  # the default already; not of this architecture
            raise OSError(-result, f'seccomp_rule_add {name}')

    def load(self):
        result = seccomp.seccomp_load(self.context)
        if result != 0:
            raise OSError(-result, 'seccomp_load')


def filters(unit):
    """The seccomp filters of a unit, in systemd's order (exec_child)."""
    made = []
    one = dict(unit)
    families = one.get('RestrictAddressFamilies')
    if families is not None:
        numbers = [getattr(socket, name) for name in families.split()]
        restrict = Filter(ALLOW)
        for family in range(1, 64):
            if family not in numbers:
                restrict.add(ERRNO | errno.EAFNOSUPPORT, 'socket', Compare(0, EQ, family, 0))
        restrict.add(ERRNO | errno.EAFNOSUPPORT, 'socket', Compare(0, GT, 63, 0))
        made.append(restrict)
    if one.get('MemoryDenyWriteExecute') == 'yes':
        exec_, both = 4, 6
        deny = Filter(ALLOW)
        deny.add(ERRNO | errno.EPERM, 'mmap', Compare(2, MASKED_EQ, both, both))
        for name in ('mprotect', 'pkey_mprotect'):
            deny.add(ERRNO | errno.EPERM, name, Compare(2, MASKED_EQ, exec_, exec_))
        made.append(deny)
    if one.get('RestrictRealtime') == 'yes':
        restrict = Filter(ALLOW)
        for policy in (1, 2):
            restrict.add(ERRNO | errno.EPERM, 'sched_setscheduler', Compare(1, EQ, policy, 0))
        restrict.add(ERRNO | errno.EPERM, 'sched_setscheduler', Compare(1, GT, 5, 0))
        made.append(restrict)
    if one.get('RestrictSUIDSGID') == 'yes':
        restrict = Filter(ALLOW)
        for bit in (0o4000, 0o2000):
            for name, at in (('chmod', 1), ('fchmod', 1), ('fchmodat', 2), ('mkdir', 1), ('mkdirat', 2),
                             ('mknod', 1), ('mknodat', 2), ('creat', 1)):
                restrict.add(ERRNO | errno.EPERM, name, Compare(at, MASKED_EQ, bit, bit))
            for name, at in (('open', 1), ('openat', 2)):
                restrict.add(ERRNO | errno.EPERM, name, Compare(at, MASKED_EQ, os.O_CREAT, os.O_CREAT),
                             Compare(at + 1, MASKED_EQ, bit, bit))
        made.append(restrict)
    if one.get('RestrictNamespaces') == 'yes':
        restrict = Filter(ALLOW)
        # CLONE_NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS
        for flag in (0x02000000, 0x08000000, 0x40000000, 0x00020000, 0x20000000, 0x10000000, 0x04000000):
            for name in ('clone', 'unshare'):
                restrict.add(ERRNO | errno.EPERM, name, Compare(0, MASKED_EQ, flag, flag))
        # Its flags are in memory, where a filter cannot look.
        restrict.add(ERRNO | errno.ENOSYS, 'clone3')
        restrict.add(ERRNO | errno.EPERM, 'setns')
        made.append(restrict)
    if one.get('LockPersonality') == 'yes':
        restrict = Filter(ALLOW)
        restrict.add(ERRNO | errno.EPERM, 'personality', Compare(0, GT, 0, 0))
        made.append(restrict)
    allowed = allowed_calls([value for key, value in unit if key == 'SystemCallFilter'])
    if allowed is not None:
        name = one.get('SystemCallErrorNumber')
        denied = KILL_PROCESS if name in (None, 'kill') else ERRNO | getattr(errno, name)
        strict = Filter(denied)
        for call in sorted(allowed):
            strict.add(ALLOW, call)
        made.append(strict)
    return made


def sh(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def mounts(one, binds, socket_unit):
    """What the service sees of the file system, and the socket in it."""
    if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), 'unshare')
    sh('mount', '--make-rprivate', '/')
    # Sources may be where the service does not look.
    with tempfile.TemporaryDirectory() as aside:
        sh('mount', '-t', 'tmpfs', 'tmpfs', aside)
        for number, (source, target) in enumerate(binds):
            held = f'{aside}/{number}'
            if os.path.isdir(source):
                os.mkdir(held)
            else:
                open(held, 'w').close()
            sh('mount', '--bind', source, held)
        sh('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/opt')
        for number, (source, target) in enumerate(binds):
            held = f'{aside}/{number}'
            if not os.path.exists(target):
                if os.path.isdir(held):
                    os.makedirs(target)
                else:
                    open(target, 'w').close()
            sh('mount', '--bind', held, target)
        sh('umount', '-R', '-l', aside)
    runtime = one.get('RuntimeDirectory')
    if runtime is not None:
        os.makedirs(f'/run/{runtime}', exist_ok=True)
        os.chmod(f'/run/{runtime}', int(one.get('RuntimeDirectoryMode', '0755'), 8))
        os.chown(f'/run/{runtime}', DYNAMIC_UID, DYNAMIC_UID)
    if socket_unit:
        open_socket(parse(socket_unit, 'Socket'))
    if one.get('PrivateTmp') == 'yes':
        for path in ('/tmp', '/var/tmp'):
            sh('mount', '-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', path)
    if one.get('ProtectHome') == 'yes':
        for path in ('/home', '/root', '/run/user'):
            if os.path.isdir(path):
                sh('mount', '-t', 'tmpfs', '-o', 'mode=000', 'tmpfs', path)
    if one.get('PrivateDevices') == 'yes':
        names = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
        with tempfile.TemporaryDirectory() as aside:
            sh('mount', '--rbind', '/dev', aside)
            sh('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/dev')
            for name in names:
                open(f'/dev/{name}', 'w').close()
                sh('mount', '--bind', f'{aside}/{name}', f'/dev/{name}')
            sh('umount', '-R', '-l', aside)
    if one.get('ProtectProc') == 'invisible':
        sh('mount', '-t', 'proc', '-o', 'hidepid=invisible', 'proc', '/proc')
    if one.get('ProtectSystem') == 'strict':
        writable = {'/dev', '/proc', '/sys', '/tmp', '/var/tmp', f'/run/{runtime}'}
        if runtime is not None:
            sh('mount', '--bind', f'/run/{runtime}', f'/run/{runtime}')
        with open('/proc/self/mountinfo') as file:
            points = [line.split()[4] for line in file]
        for point in dict.fromkeys(points):
            if not any(point == one or point.startswith(f'{one}/') for one in writable):
                subprocess.run(['mount', '-o', 'remount,bind,ro', point], stderr=subprocess.DEVNULL)


def group_id(name):
    line = subprocess.run(['getent', 'group', name], check=True, capture_output=True, text=True).stdout
    return int(line.split(':')[2])


def open_socket(unit):
    """Descriptor 3, as sd_listen_fds(3) has it."""
    one = dict(unit)
    strange = sorted(set(one) - {'ListenStream', 'SocketMode', 'SocketGroup'})
    if strange:
        raise SystemExit(f'play-unit: it does not know what to do with {", ".join(strange)}')
    path = one['ListenStream']
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, int(one.get('SocketMode', '0666'), 8))
    if 'SocketGroup' in one:
        os.chown(path, 0, group_id(one['SocketGroup']))
    listener.listen(4096)
    descriptor = listener.detach()
    if descriptor == 3:
        os.set_inheritable(3, True)
    else:
        os.dup2(descriptor, 3)
        os.close(descriptor)


def capabilities():
    """Drops all of them, from the bounding set, too."""
    number = 0
    while libc.prctl(24, number, 0, 0, 0) == 0:  # PR_CAPBSET_DROP
        number += 1


def play(unit, options, notify):
    one = dict(unit)
    groups = [DYNAMIC_UID]
    if 'SupplementaryGroups' in one:
        for name in one['SupplementaryGroups'].split():
            groups.append(group_id(name))
    command = shlex.split(one['ExecStart'])
    if options.node:
        command[0] = options.node
    # systemd-analyze is asked while there is everything.
    strict = filters(unit)
    mounts(one, [bind.split(':') for bind in options.bind], options.socket)
    os.chdir(one.get('WorkingDirectory', '/'))
    os.umask(int(one.get('UMask', '0022'), 8))
    if 'LimitNOFILE' in one:
        # Not above what this place allows.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        maximum = int(one['LimitNOFILE'])
        maximum = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
    environment = {
        'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin',
        'LANG': 'C.UTF-8',
        'USER': 'tsmilter',
        'LOGNAME': 'tsmilter',
        'HOME': '/',
        'SHELL': '/sbin/nologin',
        'NOTIFY_SOCKET': notify,
    }
    for key, value in unit:
        if key == 'Environment':
            environment.update(word.split('=', 1) for word in shlex.split(value))
    if 'WatchdogSec' in one:
        environment.update(WATCHDOG_USEC=str(int(one['WatchdogSec']) * 1_000_000), WATCHDOG_PID=str(os.getpid()))
    if options.socket:
        environment.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='tsmilter.socket')
    capabilities()
    os.setgroups(groups)
    os.setresgid(DYNAMIC_UID, DYNAMIC_UID, DYNAMIC_UID)
    os.setresuid(DYNAMIC_UID, DYNAMIC_UID, DYNAMIC_UID)
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: a test that fails leaves nothing behind
    if one.get('NoNewPrivileges') == 'yes':
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    for each in strict:
        each.load()
    os.execve(command[0], command, environment)


PLAYED = set(
    'ExecStart WorkingDirectory Environment WatchdogSec RuntimeDirectory RuntimeDirectoryMode DynamicUser '
    'SupplementaryGroups UMask NoNewPrivileges LockPersonality PrivateDevices PrivateTmp ProtectHome ProtectProc '
    'ProtectSystem RestrictAddressFamilies RestrictNamespaces RestrictRealtime RestrictSUIDSGID SystemCallFilter '
    'SystemCallErrorNumber MemoryDenyWriteExecute LimitNOFILE'.split()
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('unit')
    parser.add_argument('--socket')
    parser.add_argument('--bind', action='append', default=[])
    parser.add_argument('--node')
    parser.add_argument('--groups', action='store_true')
    options = parser.parse_args()
    unit = parse(options.unit)
    if options.groups:
        with open(options.unit) as file:
            unit.append(('SupplementaryGroups', re.search(r'^#SupplementaryGroups=(.*)$', file.read(), re.M)[1]))
    strange = sorted({key for key, _ in unit} - PLAYED - UNPLAYED)
    if strange:
        raise SystemExit(f'play-unit: it does not know what to do with {", ".join(strange)}')
    # An abstract name, which no mount hides.
    notify = f'@tsmilter-play-unit-{os.getpid()}'
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind('\0' + notify[1:])
    pid = os.fork()
    if pid == 0:
        try:
            listener.close()
            play(unit, options, notify)
        except BaseException as error:
            print(f'play-unit: {error!r}', file=sys.stderr, flush=True)
        os._exit(125)
    print(f'main {pid}', flush=True)

    def hear():
        while True:
            message = listener.recv(4096).decode().strip().replace('\n', ' ')
            print(f'notify {message}', flush=True)

    threading.Thread(target=hear, daemon=True).start()
    # Nobody else would end it.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))
    _, status = os.waitpid(pid, 0)
    print(f'ended {os.waitstatus_to_exitcode(status)}', flush=True)


main()
