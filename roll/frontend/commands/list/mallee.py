import sys

import mallee_rocks
import rocks.commands
import rocks.commands.list


class Command(rocks.commands.list.command):
    """
    List the nodes of the cloud: name, address, hypervisor, state, and what
    is free of cores, memory and disk.

    <example cmd='list mallee'>
    List all nodes.
    </example>

    <related>report mallee</related>
    <related>sync mallee</related>
    """

    def run(self, params, args):
        try:
            self.addText(mallee_rocks.run([mallee_rocks.MALLEE, 'node', 'list']))
        except mallee_rocks.Failure:
            mallee_rocks.report(sys.exc_info()[1])
            sys.exit(1)
