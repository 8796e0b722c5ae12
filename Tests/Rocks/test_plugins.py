"""The plug-ins and verbs of Rocks, with as much of Rocks around them as they touch. Runs under Python 2.7 and 3, since
Rocks brings Python 2 and this machine may not."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
FRONTEND = os.path.join(HERE, '..', '..', 'roll', 'frontend')

# What Rocks gives to its commands and plug-ins: see rocks/commands/__init__.py and rocks/sql.py of any release.
COMMANDS = '''
class Plugin:
    def __init__(self, command):
        self.owner, self.db = command, command.db
    def precedes(self):
        return []

class Command:
    def __init__(self, db):
        self.db, self.text = db, ''
    def addText(self, text):
        if text:
            self.text += text
    def str2bool(self, text):
        return int(bool(text) and text.upper() in ['ON', 'YES', 'Y', 'TRUE', '1'])
    def fillParams(self, names):
        return [self.params.get(pair[0], pair[-1]) for pair in names]
    def call(self, *arguments):
        self.params = dict([a.split('=', 1) for a in arguments if '=' in a])
        self.run(self.params, [a for a in arguments if '=' not in a])
        return self.text

class HostArgumentProcessor:
    def getHostnames(self, names=None):
        return names or sorted(self.db.hosts)
'''
VERB = 'import rocks.commands\n\nclass command(rocks.commands.Command):\n    pass\n'
SQL = '''
class InsertEthersPlugin:
    def __init__(self, app):
        self.app = app
'''
FILES = {'rocks/__init__.py': '', 'rocks/sql.py': SQL, 'rocks/commands/__init__.py': COMMANDS,
         'rocks/commands/list/__init__.py': VERB, 'rocks/commands/report/__init__.py': VERB,
         'rocks/commands/sync/__init__.py': VERB, 'rocks/commands/sync/config/__init__.py': '',
         'rocks/commands/remove/__init__.py': '', 'rocks/commands/remove/host/__init__.py': '',
         'insertethers/__init__.py': ''}

# Writes down its arguments and its input. A file fail-OPERATION makes that fail, hang never end.
MALLEE = '''#!/bin/sh
echo "$*" >> {top}/calls
case "$2" in reconcile) cat >> {top}/calls; echo "1 node is new: compute-0-1." ;; list) echo "NAME ADDRESS" ;; esac
[ ! -e {top}/hang ] || exec sleep 60
if [ -e {top}/fail-$2 ]; then
    echo "some line before" >&2
    echo "The cluster controller does not answer; start mallee-cluster." >&2
    exit 1
fi
[ "$1" != doctor ] || exit 2
'''
ROCKS = '''#!/bin/sh
echo "rocks $*" >> {top}/rocks-calls
[ ! -e {top}/fail-rocks ] || exit 1
if [ "$4" != address=yes ]; then
    grep "^$4 " {top}/nodes
    exit 0
fi
cat {top}/nodes
'''


class Database:
    """Hosts with their attributes and addresses."""

    def __init__(self, hosts):
        self.hosts = hosts

    def getHostname(self, name):
        assert name == 'localhost'
        return 'frontend'

    def getHostAttr(self, host, name):
        return self.hosts[host].get(name)

    def execute(self, query):
        host = re.search("n.name='([^']+)'", query).group(1)
        self.rows = [(address, ) for address in self.hosts[host].get('addresses', [])]
        return len(self.rows)

    def fetchall(self):
        return self.rows


class App:
    caller_args = []


def place(top, path, text):
    path = os.path.join(top, path)
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    out = open(path, 'w')
    out.write(text)
    out.close()


def contents(path):
    stream = open(path)
    try:
        return stream.read()
    finally:
        stream.close()


class PlugIns(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.mkdtemp(prefix='mallee-plugins-')
        self.addCleanup(shutil.rmtree, self.top)
        site = os.path.join(self.top, 'site')
        for path, text in FILES.items():
            place(site, path, text)
        table = re.search(r'plug_ins="\n(.*?)"', contents(os.path.join(FRONTEND, 'configure-frontend')), re.S).group(1)
        fields = table.split() + ['insertethers.py', 'insertethers/mallee.py']
        for source, target in zip(fields[::2], fields[1::2]):
            place(site, target, contents(os.path.join(FRONTEND, source)))
        for name, text in (('mallee', MALLEE), ('rocks', ROCKS)):
            place(self.top, name, text.replace('{top}', self.top))
            os.chmod(os.path.join(self.top, name), 0o755)
        for name in ('calls', 'rocks-calls', 'fingerprint'):
            place(self.top, name, '')
        place(self.top, 'nodes', 'compute-0-0 10.1.255.254\ncompute-0-1 10.1.255.253\n')
        self.forget_modules()
        sys.path.insert(0, site)
        self.addCleanup(sys.path.remove, site)
        self.addCleanup(self.forget_modules)
        import mallee_rocks
        self.module = mallee_rocks
        mallee_rocks.MALLEE = os.path.join(self.top, 'mallee')
        mallee_rocks.ROCKS = os.path.join(self.top, 'rocks')
        mallee_rocks.FINGERPRINT = os.path.join(self.top, 'fingerprint')
        self.lines = []
        mallee_rocks.report = lambda line: self.lines.append(' '.join(str(line).split()))
        self.database = Database({
            'frontend': {'mallee': 'true', 'addresses': ['10.1.1.1']},
            'compute-0-0': {'mallee': 'true', 'addresses': ['10.1.255.254']},
            'compute-0-1': {'mallee': 'yes'},
            'login-0-0': {'addresses': ['10.1.255.252']},
            'nas-0-0': {'mallee': 'false', 'addresses': ['10.1.255.251']}})

    def forget_modules(self):
        for name in list(sys.modules):
            if name.split('.')[0] in ('rocks', 'insertethers', 'mallee_rocks'):
                del sys.modules[name]

    def load(self, name):
        __import__(name)
        return sys.modules[name]

    def calls(self, name='calls'):
        return contents(os.path.join(self.top, name)).splitlines()

    def flag(self, name):
        place(self.top, name, '')

    def insert_ethers(self):
        return self.load('insertethers.mallee').Plugin(App())

    def remover(self):
        class Owner(self.load('rocks.commands').Command):
            pass
        return self.load('rocks.commands.remove.host.plugin_mallee').Plugin(Owner(self.database))

    # insert-ethers

    def test_a_new_host_is_announced_with_its_address_by_every_releases_call(self):
        self.insert_ethers().added('compute-0-1', 7)
        self.insert_ethers().added('compute-0-0')
        self.assertEqual(self.calls(), ['node announce compute-0-1 --address 10.1.255.253',
                                        'node announce compute-0-0 --address 10.1.255.254'])

    def test_a_new_host_that_is_to_be_no_node_is_not_announced(self):
        self.insert_ethers().added('login-0-0')
        self.assertEqual((self.calls(), self.lines), ([], []))

    def test_an_update_gives_the_cloud_the_names_that_rocks_knows(self):
        self.insert_ethers().update()
        self.assertEqual(self.calls(), ['node reconcile --names-from -', 'compute-0-0', 'compute-0-1'])
        self.assertEqual(self.calls('rocks-calls'), ['rocks report mallee nodes address=yes'])

    def test_an_update_without_restarts_leaves_the_cloud_alone(self):
        plugin = self.insert_ethers()
        plugin.app.caller_args = ['--norestart']
        plugin.update()
        self.assertEqual(self.calls(), [])

    def test_a_cloud_that_does_not_answer_costs_one_line_and_nothing_else(self):
        self.flag('fail-announce')
        self.flag('fail-reconcile')
        self.insert_ethers().added('compute-0-0')
        self.insert_ethers().update()
        self.assertEqual(len(self.lines), 2)
        for line in self.lines:
            self.assertTrue(line.endswith('failed: The cluster controller does not answer; start mallee-cluster.'))

    def test_a_frontend_that_is_no_cloud_is_not_touched(self):
        os.unlink(self.module.FINGERPRINT)
        self.insert_ethers().added('compute-0-0')
        self.insert_ethers().update()
        self.remover().run('compute-0-0')
        self.assertEqual((self.calls(), self.calls('rocks-calls'), self.lines), ([], [], []))

    def test_an_empty_database_empties_no_cloud(self):
        place(self.top, 'nodes', '')
        self.insert_ethers().update()
        self.assertEqual(self.calls(), [])
        self.flag('fail-rocks')
        self.insert_ethers().update()
        self.assertEqual(self.calls(), [])
        self.assertEqual(len(self.lines), 1)

    # rocks remove host

    def test_a_removed_host_takes_no_more_instances_and_leaves(self):
        plugin = self.remover()
        plugin.run('compute-0-0')
        self.assertEqual(self.calls(), ['node drain compute-0-0', 'node remove compute-0-0'])
        self.assertEqual(plugin.provides(), 'mallee')
        self.assertTrue('attr' in plugin.precedes())

    def test_a_removed_host_that_was_no_node_is_none_of_the_clouds(self):
        self.remover().run('login-0-0')
        self.remover().run('nas-0-0')
        self.assertEqual(self.calls(), [])

    def test_a_node_that_may_not_leave_is_told_of(self):
        self.flag('fail-remove')
        self.remover().run('compute-0-0')
        self.assertEqual(len(self.lines), 1)

    # rocks sync

    def test_sync_config_reconciles_and_never_fails(self):
        plugin = self.load('rocks.commands.sync.config.plugin_mallee').Plugin(
            self.load('rocks.commands').Command(self.database))
        plugin.run('')
        self.assertEqual(self.calls()[0], 'node reconcile --names-from -')
        self.flag('fail-reconcile')
        plugin.run('')
        self.assertEqual(len(self.lines), 1)

    def test_sync_mallee_announces_each_node_and_shows_what_changed(self):
        text = self.load('rocks.commands.sync.mallee').Command(self.database).call()
        self.assertEqual(text, '1 node is new: compute-0-1.\n')
        self.assertEqual(self.calls()[:3], ['node announce compute-0-0 --address 10.1.255.254',
                                            'node announce compute-0-1 --address 10.1.255.253',
                                            'node reconcile --names-from -'])
        self.flag('fail-announce')
        self.assertRaises(SystemExit, self.load('rocks.commands.sync.mallee').Command(self.database).call)

    # rocks list, rocks report

    def test_list_shows_what_the_cloud_says(self):
        command = self.load('rocks.commands.list.mallee').Command
        self.assertEqual(command(self.database).call(), 'NAME ADDRESS\n')
        self.flag('fail-list')
        self.assertRaises(SystemExit, command(self.database).call)
        self.assertEqual(len(self.lines), 1)

    def test_report_is_the_doctors_and_has_its_status(self):
        try:
            self.load('rocks.commands.report.mallee').Command(self.database).call()
            self.fail('no status')
        except SystemExit:
            self.assertEqual(sys.exc_info()[1].code, 2)
        self.assertEqual(self.calls(), ['doctor'])

    def test_report_of_nodes_has_the_hosts_with_the_attribute_and_never_the_frontend(self):
        command = self.load('rocks.commands.report.mallee.nodes').Command
        self.assertEqual(command(self.database).call(), 'compute-0-0\ncompute-0-1\n')
        # One without an address cannot be announced yet.
        self.assertEqual(command(self.database).call('address=yes'), 'compute-0-0 10.1.255.254\n')
        self.assertEqual(command(self.database).call('nas-0-0'), '')

    # Running programs

    def test_a_program_that_hangs_is_ended(self):
        self.flag('hang')
        before = time.time()
        self.assertRaises(self.module.Failure, self.module.run, [self.module.MALLEE, 'node', 'list'], '', 0.5)
        self.assertTrue(time.time() - before < 20)

    def test_a_program_that_is_missing_is_named(self):
        try:
            self.module.run(['/nonexistent/mallee', 'node'])
            self.fail('no failure')
        except self.module.Failure:
            self.assertTrue('/nonexistent/mallee cannot be run' in str(sys.exc_info()[1]))

    def test_much_output_does_not_stop_a_program(self):
        text = 'x' * 1000000
        self.assertEqual(self.module.run(['cat'], text), text)

    def test_a_failure_reaches_the_administrator_in_one_line(self):
        import mallee_rocks
        script = ("import sys; sys.path.insert(0, %r); import mallee_rocks; mallee_rocks.report('a\\nb')"
                  % os.path.dirname(mallee_rocks.__file__))
        process = subprocess.Popen([sys.executable, '-c', script], stderr=subprocess.PIPE)
        self.assertEqual(process.communicate()[1], b'mallee: a b\n')


class Source(unittest.TestCase):
    def test_the_sources_run_under_all_pythons_of_rocks(self):
        if sys.version_info[0] < 3:
            return
        process = subprocess.Popen(
            [os.path.join(os.path.dirname(sys.executable), 'vermin'), '--no-tips', '--violations', '-t=2.4-', '-t=3.0-', FRONTEND],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.communicate()[0].decode()
        self.assertEqual(process.returncode, 0, output)

    def test_nothing_of_python_2_5_and_later_is_used_that_the_checker_overlooks(self):
        for directory, _, names in os.walk(FRONTEND):
            for name in names:
                if not name.endswith('.py'):
                    continue
                for node in ast.walk(ast.parse(contents(os.path.join(directory, name)))):
                    self.assertFalse(isinstance(node, (ast.IfExp, ast.With)), name)
                    # "except X as e" and try with both except and finally.
                    self.assertFalse(isinstance(node, ast.ExceptHandler) and node.name is not None, name)
                    self.assertFalse(getattr(node, 'handlers', None) and getattr(node, 'finalbody', None), name)


if __name__ == '__main__':
    unittest.main()
