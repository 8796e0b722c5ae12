#!/usr/bin/env python2.7
"""Rocks' own code reads the disc: what `rocks add roll`, `create distro` and `list host xml` make of it.

    peer_code.py ROCKS ISO

ROCKS is a clone of https://github.com/rocksclusters/core at the tag ROCKS_7_0, or of .../base at ROCKS_6_2 or ROCKS_5_4,
whose code is Python 2 and not ours to copy; so this is a test by hand (`make test-rocks-code PYTHON2=python2.7`), and no
part of `make test`. Needs bsdtar, rpm and cpio. What stands in here: the database (which only records), PyXML's tree walker, of which Python 2.7 has no copy,
and the graph of the base roll, reduced to the nodes on which rolls are hung.
"""

import atexit
import glob
import imp
import new
import os
import re
import shutil
import StringIO
import subprocess
import sys
import tempfile
import types
import xml.dom.minidom

core, image = [os.path.abspath(argument) for argument in sys.argv[1:3]]
scratch = tempfile.mkdtemp(prefix='mallee-rocks-')
atexit.register(shutil.rmtree, scratch)
library = os.path.join(core, 'src/rocks-pylib')
is_old = not os.path.isdir(library)
if is_old:
    # Rocks 5 puts the package together when it is installed.
    library = os.path.join(scratch, 'library')
    shutil.copytree(os.path.join(core, 'src/pylib'), os.path.join(library, 'rocks'))
    shutil.copytree(os.path.join(core, 'src/command/commands'), os.path.join(library, 'rocks/commands'))
sys.path.insert(0, library)
sys.dont_write_bytecode = True
failures = []


def check(condition, text):
    print('%s  %s' % (condition and 'ok    ' or 'FAILED', text))
    if not condition:
        failures.append(text)


# --- what Rocks imports and this does not need


class Anything(object):
    def __init__(self, *arguments, **named):
        pass


class Stand_in(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return Anything


class Walker(object):
    """DOM Level 2 traversal, as far as Rocks uses PyXML's: a filter accepts an element, or skips it."""

    def __init__(self, root, what, chosen, expand):
        self.root = self.currentNode = root
        self.chosen = chosen

    def accepts(self, node):
        return node.nodeType == node.ELEMENT_NODE and self.chosen.acceptNode(node) == 1

    def inside(self, node):
        for child in node.childNodes:
            found = self.accepts(child) and child or self.inside(child)
            if found:
                return found
        return None

    def go(self, node):
        if node:
            self.currentNode = node
        return node

    def firstChild(self):
        return self.go(self.inside(self.currentNode))

    def nextSibling(self):
        node = self.currentNode.nextSibling
        while node is not None and not self.accepts(node):
            node = node.nextSibling
        return self.go(node)

    def nextNode(self):
        found, node = self.inside(self.currentNode), self.currentNode
        while not found and node is not None and node is not self.root:
            sibling = node.nextSibling
            while sibling is not None and not found:
                found = self.accepts(sibling) and sibling or self.inside(sibling)
                sibling = sibling.nextSibling
            node = node.parentNode
        return self.go(found)


def from_stream(stream):
    text = hasattr(stream, 'read') and stream.read() or stream
    document = xml.dom.minidom.parseString(text)
    document.createTreeWalker = Walker
    return document


class Finder(object):
    names = ('sqlalchemy', 'MySQLdb', 'M2Crypto', 'pymysql', 'snack', 'pexpect')

    def find_module(self, name, path=None):
        return (name.split('.')[0] in self.names or name.startswith('xml.dom.ext')) and self or None

    def load_module(self, name):
        module = Stand_in(name)
        module.__path__, module.__loader__ = [], self
        sys.modules[name] = module
        if name == 'xml.dom.ext.reader.Sax2':
            module.FromXmlStream = from_stream
        return module


sys.meta_path.insert(0, Finder())
# PyXML takes a pair of namespace and name.
named = xml.dom.minidom.NamedNodeMap.getNamedItem
xml.dom.minidom.NamedNodeMap.getNamedItem = lambda self, name: named(
    self, isinstance(name, tuple) and name[1] or name)

import rocks

rocks.version, rocks.release, rocks.version_major = is_old and ('5.4', 'Maverick', '5') or ('7.0', 'Manzanita', '7')
import rocks.build
import rocks.commands
import rocks.commands.add
import rocks.commands.create
import rocks.commands.list
import rocks.commands.list.node
import rocks.file
import rocks.gen


class Database(object):
    """Records what Rocks writes; it finds nothing in it."""

    def __init__(self):
        self.statements = []

    def execute(self, statement):
        self.statements.append(statement)
        return 0

    def getHostAttr(self, *arguments):
        return ''

    def getHostname(self, *arguments):
        return 'frontend'


def command(name):
    return imp.load_source('command_' + name.replace('/', '_'), os.path.join(library, 'rocks/commands', name, '__init__.py'))


def quiet(body):
    """What Rocks prints is of no interest."""
    said, sys.stdout = sys.stdout, StringIO.StringIO()
    try:
        return body()
    finally:
        sys.stdout = said


def add_roll(disc, distribution):
    """rocks add roll: finds the roll on the disc, copies it, and writes a row."""
    descriptions = [os.path.join(place, name) for place, _, names in os.walk(disc) for name in names
                    if re.match(r'roll-.*\.xml$', name)]
    check(len(descriptions) == 1, 'the disc has one roll: %s' % descriptions)
    roll = rocks.file.RollInfoFile(descriptions[0])
    facts = (roll.getRollName(), roll.getRollArch(), roll.getRollOS(), roll.hasRPMS(), roll.isBootable())
    check(facts == ('mallee', 'x86_64', 'linux', 1, 0), 'its description is read: %s' % (facts,))
    name = rocks.file.RollFile(image)
    check((name.getRollName(), name.getRollVersionString(), name.getRollArch())
          == ('mallee', roll.getRollVersion(), 'x86_64'), "the disc's name is read")
    module = command('add/roll')
    handler = new.instance(module.RollHandler)
    handler.db, handler.cdrom_mount = Database(), disc
    real = os.popen
    os.popen = lambda line, *more: 'report distro' in line and StringIO.StringIO(distribution + '\n') or real(line, *more)
    try:
        os.makedirs(os.path.join(distribution, 'rolls', 'mallee'))
        quiet(lambda: handler.copy_cd(1))
    finally:
        os.popen = real
    check(any('insert into rolls' in line and '"mallee", "%s", "x86_64"' % roll.getRollVersion() in line
              for line in handler.db.statements), 'add roll writes its row: %s' % handler.db.statements)
    return os.path.join(distribution, 'rolls/mallee', roll.getRollVersion(), 'x86_64/RedHat/RPMS')


def create_roll(disc):
    """rocks create roll, of discs: puts them together on one, which has what was on them."""
    mount = os.path.join(scratch, 'mount')
    open(mount, 'w').write('#!/bin/sh\n# mount -o loop -t iso9660 IMAGE DIRECTORY\nexec bsdtar -x -f "$5" -C "$6"\n')
    os.chmod(mount, 0o755)
    open(os.path.join(scratch, 'umount'), 'w').write('#!/bin/sh\nrm -rf "$1"/* "$1"/.discinfo\n')
    os.chmod(os.path.join(scratch, 'umount'), 0o755)
    meta, before = os.path.join(scratch, 'meta'), os.getcwd()
    os.mkdir(meta)
    os.chdir(meta)
    try:
        quiet(lambda: command('create/roll').MetaRollBuilder([image], rocks.version).run())
    finally:
        os.chdir(before)
    made = os.path.join(meta, 'mallee-%s.x86_64.disk1.iso' % rocks.version)
    check(os.path.isfile(made), 'create roll makes a disc: %s' % os.listdir(meta))
    listed = [sorted(subprocess.Popen(['bsdtar', '-t', '-f', path], stdout=subprocess.PIPE).communicate()[0].split('\n'))
              for path in (image, made)]
    files = [[line for line in lines if not line.endswith('/') and 'TRANS.TBL' not in line] for lines in listed]
    lost = set(path for path in files[0] if os.path.isfile(os.path.join(disc, path))) - set(files[1])
    check(not lost, 'it has all files: %s' % sorted(lost))


def create_distribution(packages, build, scratch):
    """rocks create distro: knows packages by their files' names, and unpacks the kickstart package."""
    files = [rocks.file.RPMFile(path) for path in sorted(glob.glob(packages + '/*.rpm'))]
    found = dict((package.getBaseName(), package) for package in files)
    check(set(found) >= set(['mallee', 'mallee-cloud', 'mallee-cluster', 'mallee-node', 'mallee-qemu', 'mallee-tools',
                             'mallee-walrus', 'roll-mallee-kickstart', 'roll-mallee-usersguide']),
          'every package is known by its name: %s' % sorted(found))
    # An option that today's rpm calls otherwise.
    program = os.path.join(scratch, 'rpm')
    real = subprocess.Popen(['which', 'rpm'], stdout=subprocess.PIPE).communicate()[0].strip()
    open(program, 'w').write('#!/bin/bash\na=()\nfor w in "$@"; do [ "$w" = --nomd5 ] || a+=("$w"); done\nexec %s "${a[@]}"\n'
                             % real)
    os.chmod(program, 0o755)
    os.environ['PATH'] = scratch + ':' + os.environ['PATH']

    class Distribution(object):
        def getRPM(self, name):
            return found.get(name)

    builder = new.instance(rocks.build.DistributionBuilder)
    builder.dist, builder.debug = Distribution(), 0
    quiet(lambda: builder.applyRPM('roll-mallee-kickstart', build))
    for path in ('roll-mallee.xml', 'graphs/default/mallee.xml', 'nodes/mallee-base.xml', 'nodes/mallee-server.xml',
                 'nodes/mallee-client.xml'):
        check(os.path.isfile(os.path.join(build, path)), 'create distro finds ' + path)


BASE = {
    'graphs/default/base.xml': '<graph roll="base">\n<edge from="server" to="database-data"/>\n'
                               '<edge from="compute" to="client"/>\n<edge from="vm-container" to="client"/>\n'
                               '<order head="database-data" tail="database-schema"/>\n</graph>\n',
}
for node in ('server', 'client', 'compute', 'vm-container', 'database-data', 'database-schema'):
    BASE['nodes/%s.xml' % node] = '<kickstart roll="base">\n<description>%s</description>\n</kickstart>\n' % node


def profile(build, root, attributes):
    """rocks list host profile: the graph expanded for a host, then packages and scripts."""
    entities = set()
    for path in glob.glob(build + '/nodes/*.xml'):
        entities |= set(re.findall(r'&([A-Za-z_][A-Za-z0-9_]*);', open(path).read()))
    known = dict((name, '') for name in entities - set(['amp', 'lt', 'gt', 'quot', 'apos']))
    known.update(attributes)
    module = command('list/node/xml')
    lister = new.instance(module.Command)
    lister.db, lister.os, lister.arch, lister.text, lister.debug = Database(), 'linux', 'x86_64', '', 0
    lister.command = lambda *arguments: ''
    options = {'attrs': repr(known), 'roll': 'mallee', 'eval': 'no', 'missing-check': 'no', 'basedir': build}
    lister.fillParams = lambda wanted: [options.get(pair[0], pair[1:] and pair[1] or None) for pair in wanted]
    lister.str2bool = lambda text: str(text).lower() in ('yes', 'true', 'on', '1', 'y')
    texts = []
    lister.addText = lambda text: texts.append(text or '')
    quiet(lambda: lister.run({}, [root]))
    generator = rocks.gen.Generator_linux()
    generator.setArch('x86_64')
    generator.setOS('linux')
    generator.parse(''.join(texts))
    return dict((section, generator.generate(section)) for section in ('order', 'packages', 'post'))


def show_profiles(build):
    for path, text in BASE.items():
        if not os.path.isdir(os.path.dirname(os.path.join(build, path))):
            os.makedirs(os.path.dirname(os.path.join(build, path)))
        open(os.path.join(build, path), 'w').write('<?xml version="1.0" standalone="no"?>\n' + text)
    common = {'os': 'linux', 'arch': 'x86_64', 'hostname': 'h', 'Kickstart_PrivateAddress': '10.1.1.1',
              'rocks_version_major': '7', 'mallee_address': '10.1.1.1', 'mallee_region': 'us-east-1',
              'mallee_authority_fingerprint': 'sha256:abcd'}
    server = set(['mallee', 'mallee-cloud', 'mallee-cluster', 'mallee-tools', 'mallee-walrus', 'roll-mallee-usersguide'])
    node = set(['mallee-node', 'mallee-qemu'])
    for root, attribute, wanted, scripts in (
            ('server', None, server, ['mallee-base', 'mallee-server']), ('server', 'false', set(), []),
            ('compute', 'true', node, ['mallee-base', 'mallee-client']), ('compute', 'false', set(), []),
            ('vm-container', 'true', node, ['mallee-base', 'mallee-client']), ('vm-container', None, set(), [])):
        attributes = dict(common, membership=root)
        if attribute is not None:
            attributes['mallee'] = attribute
        made = profile(build, root, attributes)
        packages = set(line.strip() for line in made['packages'] if 'mallee' in line and ' ' not in line.strip())
        names = sorted(set(re.findall(r'nodes/(mallee-[a-z]+)\.xml', '\n'.join(made['order']))))
        what = '%s with mallee=%s' % (root, attribute)
        check(packages == wanted, '%s gets the packages: %s' % (what, sorted(packages)))
        check(names == scripts, '%s takes the nodes: %s' % (what, names))
        posts = '\n'.join(line.rstrip() for line in made['post'])
        check(('mallee' in posts) == bool(wanted), '%s has scripts of the roll: %s' % (what, bool(wanted)))
        script = '\n'.join(line for line in posts.splitlines() if not re.match(r'%(post|end)', line))
        shell = subprocess.Popen(['bash', '-n'], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        complaints = shell.communicate(script.encode('utf-8'))[1]
        check(shell.returncode == 0 and not complaints, '%s: bash reads the scripts %s' % (what, complaints))


def main():
    disc, distribution, build = [os.path.join(scratch, name) for name in ('disc', 'distribution', 'build')]
    for place in (disc, distribution, build):
        os.mkdir(place)
    subprocess.check_call(['bsdtar', '-x', '-f', image, '-C', disc])
    packages = add_roll(disc, distribution)
    create_distribution(packages, build, scratch)
    create_roll(disc)
    show_profiles(build)
    print('%d failed' % len(failures))
    sys.exit(failures and 1 or 0)


main()
