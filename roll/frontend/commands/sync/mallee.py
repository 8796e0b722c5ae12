import sys

import mallee_rocks
import rocks.commands
import rocks.commands.sync


class Command(rocks.commands.sync.command):
    """
    Make the cloud's list of nodes that of Rocks: hosts that are to be nodes
    are announced, and those that Rocks has removed are removed. "rocks sync
    config" does the same by the way.

    <example cmd='sync mallee'>
    Tells of each host that one of the two does not know.
    </example>

    <related>list mallee</related>
    <related>report mallee</related>
    """

    def run(self, params, args):
        try:
            pairs = mallee_rocks.node_addresses()
            for name, address in pairs:
                mallee_rocks.announce(name, address)
            self.addText(mallee_rocks.reconcile([name for name, _ in pairs]))
        except mallee_rocks.Failure:
            mallee_rocks.report(sys.exc_info()[1])
            sys.exit(1)
