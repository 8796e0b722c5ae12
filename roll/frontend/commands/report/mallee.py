import os
import sys

import mallee_rocks
import rocks.commands
import rocks.commands.report


class command(rocks.commands.HostArgumentProcessor, rocks.commands.report.command):
    pass


class Command(rocks.commands.report.command):
    """
    Report whether the cloud on this frontend is in order: names, ports,
    certificates, clock, disk space. Each fault comes with its cause and cure.

    <example cmd='report mallee'>
    The same as "mallee doctor".
    </example>

    <related>list mallee</related>
    """

    def run(self, params, args):
        # Its own lines and status are the report, whatever it finds.
        try:
            status = os.spawnv(os.P_WAIT, mallee_rocks.MALLEE, [mallee_rocks.MALLEE, 'doctor'])
        except OSError:
            status = 127
        if status == 127:
            mallee_rocks.report('%s cannot be run; is the package mallee installed?' % mallee_rocks.MALLEE)
        if status != 0:
            sys.exit(status)
