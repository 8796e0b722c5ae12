"""rocks remove host: the host leaves the cloud too."""

import sys

import mallee_rocks
import rocks.commands


class Plugin(rocks.commands.Plugin):
    """Drains and removes the node. Never an obstacle to the rest of `rocks remove host`."""

    def provides(self):
        return 'mallee'

    def precedes(self):
        """What takes from the database what is asked for here."""
        return ['attr', 'host']

    def run(self, host):
        if not mallee_rocks.is_cloud() or not self.owner.str2bool(self.db.getHostAttr(host, 'mallee')):
            return
        try:
            mallee_rocks.retire(host)
        except mallee_rocks.Failure:
            mallee_rocks.report(sys.exc_info()[1])
