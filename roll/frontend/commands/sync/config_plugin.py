"""rocks sync config: the cloud's list of nodes becomes that of Rocks (Rocks 5.4.3 and later ask for this)."""

import sys

import mallee_rocks
import rocks.commands


class Plugin(rocks.commands.Plugin):
    """Never an obstacle to the rest of `rocks sync config`."""

    def provides(self):
        return 'mallee'

    def run(self, args):
        if not mallee_rocks.is_cloud():
            return
        try:
            mallee_rocks.reconcile([name for name, _ in mallee_rocks.node_addresses()])
        except mallee_rocks.Failure:
            mallee_rocks.report(sys.exc_info()[1])
