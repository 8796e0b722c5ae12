"""What the plug-ins and verbs of Mallee in Rocks have in common: running programs under a limit of time, and telling of
failures in one line. A Rocks command must not hang or fail because the cloud does not answer.

Runs under every Python that Rocks has had, 2.4 to 2.7, and under 3.
"""

import os
import signal
import subprocess
import sys
import syslog
import tempfile
import time

MALLEE = '/usr/bin/mallee'
ROCKS = '/opt/rocks/bin/rocks'
FINGERPRINT = '/etc/mallee/authority.fingerprint'

# Seconds: the cluster controller answers within milliseconds or is not there; a rocks command starts a Python.
MALLEE_LIMIT = 10
ROCKS_LIMIT = 20


class Failure(Exception):
    """A program did not do what it should; the text is one line for the administrator."""


def report(line):
    """Into the system's log, where Rocks' own messages are, and before the administrator's eyes."""
    line = ' '.join(str(line).split())
    syslog.syslog(syslog.LOG_WARNING, 'mallee: ' + line)
    sys.stderr.write('mallee: %s\n' % line)


def run(arguments, text='', limit=MALLEE_LIMIT):
    """Runs a program, an argument vector, with text as its standard input; returns what it wrote.

    Raises Failure if it cannot be started, fails, or runs longer than limit seconds.
    """
    name = ' '.join(arguments[:3])
    # Files, not pipes: nothing then waits for a reader, and 2.4's subprocess knows no limit of time.
    given = tempfile.TemporaryFile(mode='w+')
    output = tempfile.TemporaryFile(mode='w+')
    errors = tempfile.TemporaryFile(mode='w+')
    try:
        given.write(text)
        given.flush()
        given.seek(0)
        try:
            process = subprocess.Popen(arguments, stdin=given, stdout=output, stderr=errors, close_fds=True)
        except OSError:
            raise Failure('%s cannot be run: %s' % (arguments[0], sys.exc_info()[1]))
        status = _wait(process, limit)
        output.seek(0)
        errors.seek(0)
        if status is None:
            raise Failure('%s has not ended within %d s; mallee doctor says what is wrong' % (name, limit))
        if status != 0:
            lines = [line.strip() for line in errors.read().splitlines() if line.strip()]
            if not lines:
                lines = ['status %d' % status]
            raise Failure('%s failed: %s' % (name, lines[-1]))
        return output.read()
    finally:
        given.close()
        output.close()
        errors.close()


def _wait(process, limit):
    """The status of a process; None if it had to be killed."""
    # Counted in waits: the clock may be set meanwhile, and 2.4 has none that only goes forward.
    for _ in range(int(limit / 0.05)):
        status = process.poll()
        if status is not None:
            return status
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return None


def is_cloud():
    """Whether this frontend is set up as a cloud: the packages may stay when a roll is switched off."""
    return os.path.exists(MALLEE) and os.path.exists(FINGERPRINT)


def node_addresses(host=None):
    """Pairs of name and private address of the hosts that are to be nodes, as Rocks knows them; of one host, or all."""
    arguments = [ROCKS, 'report', 'mallee', 'nodes']
    if host:
        arguments.append(host)
    arguments.append('address=yes')
    pairs = []
    for line in run(arguments, limit=ROCKS_LIMIT).splitlines():
        fields = line.split()
        if len(fields) == 2:
            pairs.append((fields[0], fields[1]))
    return pairs


def announce(name, address):
    """Tells the cluster controller of a node that is yet to come up."""
    run([MALLEE, 'node', 'announce', name, '--address', address])


def retire(name):
    """Takes a node out of the cloud. It takes no more instances from the first moment; while some run it stays."""
    run([MALLEE, 'node', 'drain', name])
    run([MALLEE, 'node', 'remove', name])


def reconcile(names):
    """Makes the cloud's list of nodes that of Rocks; returns what was said about it."""
    # An empty list is more likely a mistake than the wish to empty a cloud, and would be refused.
    if not names:
        return ''
    return run([MALLEE, 'node', 'reconcile', '--names-from', '-'], ''.join([name + '\n' for name in names]))
