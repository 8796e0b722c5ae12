import rocks.commands
import rocks.commands.report.mallee


class Command(rocks.commands.report.mallee.command):
    """
    Report the hosts that are to be nodes of the cloud: those whose attribute
    "mallee" is true. The frontend is never one.

    <arg optional='1' type='string' name='host' repeat='1'>
    Only of these hosts; of all if there are none.
    </arg>

    <param optional='1' type='bool' name='address'>
    With the private address of each. The default is "no".
    </param>

    <example cmd='report mallee nodes'>
    The names of all nodes, one in a line.
    </example>

    <example cmd='report mallee nodes compute-0-0 address=yes'>
    The name and the address of one host, if it is to be a node.
    </example>
    """

    def run(self, params, args):
        (address, ) = self.fillParams([('address', 'no')])
        with_address = self.str2bool(address)
        frontend = self.db.getHostname('localhost')
        for host in self.getHostnames(args):
            if host == frontend or not self.str2bool(self.db.getHostAttr(host, 'mallee')):
                continue
            if not with_address:
                self.addText('%s\n' % host)
                continue
            # Without a private address a host cannot be reached, so it is none yet.
            for ip in self.private_addresses(host):
                self.addText('%s %s\n' % (host, ip))

    def private_addresses(self, host):
        """At most one, as Rocks has it."""
        self.db.execute("""select nt.ip from networks nt, nodes n, subnets s
            where s.name='private' and nt.node=n.id and nt.subnet=s.id
            and nt.ip is not NULL and n.name='%s'""" % host)
        return [row[0] for row in self.db.fetchall()][:1]
