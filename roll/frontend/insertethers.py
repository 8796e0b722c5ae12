"""insert-ethers: a new host is announced to the cloud before it is up."""

import sys

import mallee_rocks
import rocks.sql


class Plugin(rocks.sql.InsertEthersPlugin):
    """Keeps Mallee's list of nodes that of Rocks."""

    def added(self, nodename, *rest):
        """A host was added. Rocks before 6.2 gives its database id too."""
        if not mallee_rocks.is_cloud():
            return
        try:
            for name, address in mallee_rocks.node_addresses(nodename):
                mallee_rocks.announce(name, address)
        except mallee_rocks.Failure:
            mallee_rocks.report(sys.exc_info()[1])

    def update(self):
        """The database may have changed: at each `rocks sync config`, and after hosts were removed."""
        if not mallee_rocks.is_cloud() or '--norestart' in self.app.caller_args:
            return
        try:
            mallee_rocks.reconcile([name for name, _ in mallee_rocks.node_addresses()])
        except mallee_rocks.Failure:
            mallee_rocks.report(sys.exc_info()[1])
