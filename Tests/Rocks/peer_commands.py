#!/usr/bin/env python2.7
"""Rocks' own commands and insert-ethers run the roll's verbs and plug-ins, and its script sets their attributes.

    peer_commands.py ROCKS-CORE

ROCKS-CORE: see peer_code.py. Needs SQLAlchemy, which Rocks 7 is made of. What stands in here: SQLite for MySQL (the tables
are Rocks' own), names of hosts without a resolver, `mallee`, which writes down what it is asked, and windows on the
screen.
"""

import glob
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import types

HERE = os.path.dirname(os.path.abspath(__file__))
FRONTEND = os.path.join(HERE, '..', '..', 'roll', 'frontend')
ADDRESSES = {'localhost': '127.0.0.1', 'frontend': '10.1.1.1', 'compute-0-0': '10.1.255.254', 'compute-0-2': '10.1.255.252',
             'login-0-0': '10.1.255.251'}
failures = []
sys.dont_write_bytecode = True


def check(condition, text):
    print('%s  %s' % (condition and 'ok    ' or 'FAILED', text))
    if not condition:
        failures.append(text)


# --- Rocks with another database. Every `rocks` that is called is a process of this.


class Rows(object):
    """All rows of a question, since the number of them is asked for at once."""

    def __init__(self, rows):
        self.rows = rows

    def fetchone(self):
        return self.rows and self.rows.pop(0) or None

    def fetchall(self):
        rows, self.rows = self.rows, []
        return rows

    def close(self):
        pass


class Names(types.ModuleType):
    """A resolver that knows this cluster."""

    def gethostname(self):
        return 'frontend'

    def gethostbyname(self, name):
        if name in ADDRESSES.values():
            return name
        return ADDRESSES[name]

    def gethostbyaddr(self, address):
        names = [name for name in ADDRESSES if ADDRESSES[name] == address]
        return names[0], [], [address]


def prepare(top):
    """Makes the Rocks below top importable."""
    sys.path[:0] = [os.path.join(top, 'site')]
    for name in ('snack', 'M2Crypto', 'MySQLdb'):
        sys.modules[name] = types.ModuleType(name)
    import rocks
    rocks.version, rocks.release, rocks.version_major = '7.0', 'Manzanita', '7'
    import sqlalchemy
    import rocks.db.helper
    import mallee_rocks
    mallee_rocks.MALLEE = os.path.join(top, 'mallee')
    mallee_rocks.ROCKS = os.path.join(top, 'rocks')
    mallee_rocks.FINGERPRINT = os.path.join(top, 'fingerprint')
    rocks.db.helper.socket = Names('socket')
    base = rocks.db.database.Database

    def connect(self):
        self.engine = sqlalchemy.create_engine('sqlite:///' + os.path.join(top, 'cluster.db'))

        def opened(connection, record):
            connection.text_factory = str
            connection.create_function('SUBSTRING', 3, lambda text, at, count: text[at - 1:at - 1 + count])
            connection.create_function('mapCategory', 1, lambda name: {'global': 1, 'os': 2, 'appliance': 3, 'host': 4}[name])
        sqlalchemy.event.listen(self.engine, 'connect', opened)
        self.conn = self.engine.connect()

    def execute(self, command):
        if not command.lstrip().lower().startswith('select'):
            return self.conn.execute(command).rowcount
        self.results = Rows(self.conn.execute(command).fetchall())
        return len(self.results.rows)

    base.connect, base.execute = connect, execute
    return rocks


def as_rocks(top, arguments):
    """The program `rocks`."""
    prepare(top)
    # `rocks sync config` ends with this, whose part is tried by itself.
    real = os.popen
    os.popen = lambda line, *more: real('insert-ethers' in line and ':' or line, *more)
    sys.argv = ['rocks'] + arguments
    execfile(os.path.join(top, 'rocks.py'), {'__name__': '__main__'})


# --- the cluster


TABLE = re.search(r'plug_ins="\n(.*?)"', open(os.path.join(FRONTEND, 'configure-frontend')).read(), re.S).group(1).split()
VIEW = """CREATE VIEW hostselections AS
  SELECT n.name as host, c.id as category, ci.id as selection
  FROM catindex as ci, categories as c, nodes as n, memberships as m, appliances as a
  WHERE n.membership = m.id and m.appliance = a.id and ci.category = c.id and
    ((c.name = 'global' and ci.name = 'global') or (c.name = 'os' and ci.name = n.os) or
     (c.name = 'appliance' and ci.name = a.name) or (c.name = 'host' and ci.name = n.name))"""


def program(path, text):
    out = open(path, 'w')
    out.write(text)
    out.close()
    os.chmod(path, 0o755)


def build(core, top):
    """A frontend's Rocks with the roll's files in their places."""
    library = os.path.join(core, 'src/rocks-pylib')
    site = os.path.join(top, 'site')
    shutil.copytree(os.path.join(library, 'rocks'), os.path.join(site, 'rocks'))
    shutil.copy(os.path.join(library, 'bin/rocks'), os.path.join(top, 'rocks.py'))
    plugins = os.path.join(top, 'plugins/insertethers')
    os.makedirs(plugins)
    open(os.path.join(plugins, '__init__.py'), 'w').close()
    shutil.copy(os.path.join(FRONTEND, 'insertethers.py'), os.path.join(plugins, 'mallee.py'))
    # Those of Rocks itself write to the frontend.
    for path in glob.glob(os.path.join(site, 'rocks/commands/sync/config/plugin_*.py')):
        os.unlink(path)
    for source, target in zip(TABLE[::2], TABLE[1::2]):
        target = os.path.join(site, target)
        if not os.path.isdir(os.path.dirname(target)):
            os.makedirs(os.path.dirname(target))
        shutil.copy(os.path.join(FRONTEND, source), target)
    program(os.path.join(top, 'mallee'), '#!/bin/sh\necho "$*" >> %s/calls\ncase "$2" in list) echo "NAME ADDRESS" ;;\n'
            'reconcile) sed "s/^/  /" >> %s/calls ;; esac\n' % (top, top))
    program(os.path.join(top, 'rocks'), '#!/bin/sh\nexec %s %s --rocks %s "$@"\n'
            % (sys.executable, os.path.abspath(__file__), top))
    open(os.path.join(top, 'fingerprint'), 'w').close()
    # The functions of the roll's script, without what it does.
    script = open(os.path.join(FRONTEND, 'configure-frontend')).read().split('case "${1:-}" in')[0]
    open(os.path.join(top, 'functions'), 'w').write(
        re.sub(r'(?m)^rocks=.*$', 'rocks=' + os.path.join(top, 'rocks'), script))


def fill(top):
    """The tables of a frontend with three compute nodes and a login host."""
    prepare(top)
    import rocks.db.helper
    from rocks.db.mappings import base
    database = rocks.db.helper.DatabaseHelper()
    database.connect()
    # Only those that are used: the others have types that SQLite does not know.
    base.Base.metadata.create_all(database.engine)
    database.conn.execute(VIEW)
    session = database.getSession()
    categories = dict((name, base.Category(ID=number, name=name)) for number, name in enumerate(
        ('nothing', 'global', 'os', 'appliance', 'host')) if number)
    session.add_all(list(categories.values()))
    for precedence, name in enumerate(('global', 'os', 'appliance', 'host')):
        session.add(base.Resolvechain(name='default', category=precedence + 1, precedence=10 * (precedence + 1)))
    private = base.Subnet(ID=1, name='private', dnszone='local', subnet='10.1.0.0', netmask='255.255.0.0')
    session.add_all([private, base.Subnet(ID=2, name='public', dnszone='example.org', subnet='192.0.2.0',
                                          netmask='255.255.255.0')])
    indices = {}

    def index(category, name):
        if (category, name) not in indices:
            indices[category, name] = base.Catindex(name=name, category=categories[category])
            session.add(indices[category, name])
        return indices[category, name]

    index('global', 'global'), index('os', 'linux')
    memberships = {}
    for number, name in enumerate(('frontend', 'compute', 'login')):
        appliance = base.Appliance(ID=number + 1, name=name, node=name)
        memberships[name] = base.Membership(ID=number + 1, name=name.capitalize(), appliance=appliance)
        session.add_all([appliance, memberships[name]])
        index('appliance', name)
    for number, name in enumerate(('frontend', 'compute-0-0', 'compute-0-1', 'compute-0-2', 'login-0-0')):
        node = base.Node(ID=number + 1, name=name, membership=memberships[name.split('-')[0]], rack=0, rank=number,
                         os=u'linux')
        session.add(node)
        index('host', name)
        if name in ADDRESSES:
            session.add(base.Network(node=node, subnet=private, ip=ADDRESSES[name], name=name, device='eth0'))
        # A second interface, elsewhere.
        session.add(base.Network(node=node, subnet_ID=2, ip='192.0.2.%d' % number, name=name, device='eth1'))
    for category, name, attribute, value in (
            ('global', 'global', 'Kickstart_PrivateHostname', 'frontend'),
            ('global', 'global', 'Kickstart_PrivateAddress', '10.1.1.1'),
            ('global', 'global', 'Kickstart_PublicAddress', '192.0.2.7'),
            ('global', 'global', 'Info_ClusterName', 'mallee'),
            ('host', 'compute-0-2', 'mallee', 'false')):
        session.add(base.Attribute(attr=attribute, value=value, category=categories[category],
                                   catindex=index(category, name)))
    session.commit()
    database.closeSession()


# --- what is tried


def call(top, *arguments):
    process = subprocess.Popen([os.path.join(top, 'rocks')] + list(arguments), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    output, errors = process.communicate()
    return process.returncode, output, errors


def calls(top):
    """What `mallee` was asked since the last time."""
    path = os.path.join(top, 'calls')
    if not os.path.exists(path):
        return []
    lines = open(path).read().splitlines()
    os.unlink(path)
    return lines


def shell(top, text):
    process = subprocess.Popen(['bash', '-c', '. %s/functions; %s' % (top, text)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    return process.communicate()[0], process.returncode


def attributes(top):
    """The roll's script sets attributes by Rocks' commands, once."""
    output, status = shell(top, 'set_attributes; exit $status')
    check(status == 0 and 'mallee of appliance compute is now true' in output, 'attributes are set: %r' % output)
    for host, name, value in (('frontend', 'mallee_zone', 'mallee'), ('frontend', 'mallee_address', '10.1.1.1'),
                              ('compute-0-0', 'mallee', 'true'), ('compute-0-2', 'mallee', 'false')):
        status, output, _ = call(top, 'report', 'host', 'attr', host, 'attr=' + name)
        check((status, output.strip()) == (0, value), '%s of %s is %r' % (name, host, output))
    check(call(top, 'report', 'host', 'attr', 'login-0-0', 'attr=mallee')[0] != 0, 'a login host has none')
    output, status = shell(top, 'set_attributes; exit $status')
    check((output, status) == ('', 0), 'a second run sets nothing: %r' % output)
    call(top, 'set', 'appliance', 'attr', 'compute', 'mallee', 'false')
    output, status = shell(top, 'set_attributes; exit $status')
    check((output, status) == ('', 0), 'a decision of the administrator stays: %r' % output)
    call(top, 'set', 'appliance', 'attr', 'compute', 'mallee', 'true')


def verbs(top):
    for arguments, wanted in (
            (['report', 'mallee', 'nodes'], 'compute-0-0\ncompute-0-1\n'),
            (['report', 'mallee', 'nodes', 'address=yes'], 'compute-0-0 10.1.255.254\n'),
            (['report', 'mallee', 'nodes', 'compute-0-0', 'address=yes'], 'compute-0-0 10.1.255.254\n'),
            (['report', 'mallee', 'nodes', 'login-0-0'], ''), (['report', 'mallee', 'nodes', 'compute-0-2'], ''),
            (['list', 'mallee'], 'NAME ADDRESS\n'), (['report', 'mallee'], ''), (['sync', 'mallee'], '')):
        status, output, errors = call(top, *arguments)
        check((status, output, errors) == (0, wanted, ''), 'rocks %s: %r' % (' '.join(arguments), (status, output, errors)))
    asked = calls(top)
    # One without an address is none yet.
    check(asked == ['node list', 'doctor', 'node announce compute-0-0 --address 10.1.255.254',
                    'node reconcile --names-from -', '  compute-0-0'], 'and so the cloud is asked: %s' % asked)
    for verb in ('list mallee', 'report mallee', 'report mallee nodes', 'sync mallee'):
        status, output, errors = call(top, *(verb.split() + ['help']))
        check(status == 0 and 'rocks ' + verb in output, 'rocks %s help: %r' % (verb, output[:60]))
    for verb, plugin in (('sync/config', 'mallee'), ('remove/host', 'mallee')):
        check(os.path.isfile(os.path.join(top, 'site/rocks/commands', verb, '__init__.py')),
              'rocks %s takes plug-ins' % verb.replace('/', ' '))


def insert_ethers(core, top):
    # Without its last lines, which run it.
    module = types.ModuleType('insert_ethers')
    exec open(os.path.join(core, 'src/sql/insert-ethers.py')).read().split('\napp = App(')[0] in module.__dict__
    controller = module.ServiceController()
    controller.plugindir = os.path.join(top, 'plugins')

    class App(object):
        caller_args = []

        class insertor(object):
            screen = None

    controller.loadPlugins(App())
    check(len(controller.plugins) == 1, "insert-ethers takes the plug-in: %s" % controller.plugins)
    controller.added('compute-0-0')
    check(calls(top) == ['node announce compute-0-0 --address 10.1.255.254'], 'a host that is added is announced')
    controller.added('login-0-0')
    check(calls(top) == [], 'one that is to be no node is not')
    status, output, errors = call(top, 'add', 'host', 'compute-0-3', 'membership=Compute', 'os=linux', 'rack=0', 'rank=3')
    check((status, errors) == (0, ''), 'rocks add host: %r' % ((status, output, errors), ))
    # What `rocks add host interface` writes, in words that are MySQL's.
    database = sqlite3.connect(os.path.join(top, 'cluster.db'))
    database.execute("insert into networks (Node, IP, Name, Device, Subnet) select ID, '10.1.255.250', Name, 'eth0', 1 "
                     "from nodes where Name = 'compute-0-3'")
    database.commit()
    database.close()
    controller.added('compute-0-3')
    check(calls(top) == ['node announce compute-0-3 --address 10.1.255.250'], 'so is one that Rocks itself has added')
    controller.update()
    controller.done()
    check(calls(top) == ['node reconcile --names-from -', '  compute-0-0', '  compute-0-3'], 'update reconciles')


def remove_host(top):
    status, output, errors = call(top, 'sync', 'config')
    check((status, errors, calls(top)) == (0, '', ['node reconcile --names-from -', '  compute-0-0', '  compute-0-3']),
          'rocks sync config reconciles: %r' % ((status, output, errors), ))
    status, output, errors = call(top, 'remove', 'host', 'compute-0-0')
    check((status, errors) == (0, ''), 'rocks remove host: %r' % ((status, output, errors), ))
    asked = calls(top)
    check(asked[:2] == ['node drain compute-0-0', 'node remove compute-0-0'],
          'a host that is removed leaves the cloud, while Rocks still knows its attribute: %s' % asked)
    check(asked[2:] == ['node reconcile --names-from -', '  compute-0-3'],
          'the reconciliation after it knows the others: %s' % asked)
    call(top, 'remove', 'host', 'login-0-0')
    check(calls(top)[:1] == ['node reconcile --names-from -'], 'a host that was no node is none of the cloud')
    check('compute-0-0' not in call(top, 'report', 'mallee', 'nodes')[1], 'it is gone')


def main():
    if sys.argv[1] == '--rocks':
        as_rocks(sys.argv[2], sys.argv[3:])
        return
    core = os.path.abspath(sys.argv[1])
    top = tempfile.mkdtemp(prefix='mallee-rocks-')
    try:
        build(core, top)
        fill(top)
        attributes(top)
        verbs(top)
        insert_ethers(core, top)
        remove_host(top)
    finally:
        shutil.rmtree(top)
    print('%d failed' % len(failures))
    sys.exit(failures and 1 or 0)


main()
