"""The part of a Rocks frontend that the roll uses, for a test: attributes, hosts, 411, insert-ethers.

The database of Rocks is MySQL behind Python 2; here it is a JSON file behind a program of the same command line. What
the roll itself brings (scripts, plug-ins, services) is the real thing.
"""

import json
import os

ROCKS = '''#!/usr/bin/python3
import json, os, sys
DATABASE = "/var/lib/rocks-attributes.json"
with open(DATABASE) as file: data = json.load(file)
words = sys.argv[1:]
options = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("-"))
plain = [word for word in words if "=" not in word or word.startswith("-")]
def save():
    with open(DATABASE + ".new", "w") as file: json.dump(data, file)
    os.rename(DATABASE + ".new", DATABASE)
def matches(*wanted): return plain[:len(wanted)] == list(wanted)
def attributes(host):
    known = dict(data["global"])
    appliance = data["hosts"].get(host, {"appliance": "frontend"})["appliance"]
    known.update(data["appliance"].get(appliance, {}))
    known.update(data["hosts"].get(host, {}).get("attributes", {}))
    return known
if matches("report", "host", "attr"):
    known = attributes(plain[3] if len(plain) > 3 and plain[3] != "localhost" else "frontend")
    if "attr" in options: print(known.get(options["attr"]))
    else: print("\\n".join(f"{name}:{value}" for name, value in sorted(known.items())))
elif matches("list", "appliance", "attr"):
    for name, value in data["appliance"].get(plain[3], {}).items(): print(plain[3] + ":", name, value)
elif matches("list", "attr"):
    for name, value in data["global"].items(): print(name, value)
elif matches("list", "host", "firewall"):
    for rule in data["firewall"]: print(rule)
elif matches("list", "host"):
    for name in data["hosts"]: print(name + ":", data["hosts"][name]["appliance"])
elif matches("set", "attr"):
    data["global"][plain[2]] = plain[3]; save()
elif matches("set", "appliance", "attr"):
    data["appliance"].setdefault(plain[3], {})[plain[4]] = plain[5]; save()
elif matches("add", "firewall"):
    data["firewall"].append(" ".join([options["rulename"], options["network"], options["service"], options["action"]])); save()
elif matches("sync", "host", "firewall") or matches("sync", "mallee"):
    pass
elif matches("report", "mallee", "nodes"):
    for name, host in data["hosts"].items():
        if host["appliance"] == "compute" and (len(plain) == 3 or name in plain[3:]):
            print(name, host["attributes"]["hostaddr"] if "address" in options else "")
else:
    sys.exit("rocks: not in this test: " + " ".join(words))
'''

SERVICE = '#!/bin/sh\nname=$1\nshift\nexec /etc/rc.d/init.d/$name "$@"\n'

# Records what is switched on; boots start it, as rc does.
CHKCONFIG = '''#!/bin/sh
mkdir -p /etc/rc.d/rc3.d
[ "$1" = --add ] && exit 0
[ "$1" = --del ] && { rm -f /etc/rc.d/rc3.d/S90$2; exit 0; }
[ "$2" = on ] && ln -sf ../init.d/$1 /etc/rc.d/rc3.d/S90$1
exit 0
'''

# Hands out what Files.mk lists; owner, mode and time stay, as 411 keeps them.
MAKEFILE_411 = """include Files.mk
all:
\tset -e; for f in $(FILES) $(FILES_NOCOMMENT); do \\
\t\tmkdir -p /var/411/served$$(dirname $$f); cp -p $$f /var/411/served$$f; done
"""

# What insert-ethers does when it has seen a host, and `rocks remove host` when one goes: loads the plug-in, calls it.
PLUG_IN = '''import importlib.util, sys, types
site, path, method = sys.argv[1:4]
sys.path.insert(0, site)
class Base(object):
    """What Rocks' own base classes give a plug-in."""
    caller_args = []
    def str2bool(self, text): return str(text).lower() in ("true", "yes", "on", "y", "1")
    def getHostAttr(self, host, name): return "true"
rocks = types.ModuleType("rocks")
for name, member in (("sql", "InsertEthersPlugin"), ("commands", "Plugin")):
    module = types.ModuleType("rocks." + name)
    setattr(module, member, Base)
    setattr(rocks, name, module)
    sys.modules["rocks." + name] = module
sys.modules["rocks"] = rocks
specification = importlib.util.spec_from_file_location("plugin", path)
module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)
plugin = module.Plugin()
plugin.app = plugin.owner = plugin.db = Base()
getattr(plugin, method)(*sys.argv[4:])
'''

SITE = "/opt/rocks/lib/python2.7/site-packages"


def prepare_host(machine):
    """What every Rocks host has."""
    machine.write("usr/sbin/service", SERVICE, 0o755)
    machine.write("usr/sbin/chkconfig", CHKCONFIG, 0o755)


def prepare_frontend(machine, attributes):
    """What a frontend has besides."""
    prepare_host(machine)
    machine.write("opt/rocks/bin/rocks", ROCKS, 0o755)
    for noun in ("add/firewall", "list", "report", "sync/config", "remove/host"):
        machine.write(f"{SITE[1:]}/rocks/commands/{noun}/__init__.py", "# rulename\n")
    machine.write("opt/rocks/var/plugins/insertethers/__init__.py", "")
    machine.write("var/411/Files.mk", "FILES = /etc/hosts\n")
    machine.write("var/411/Makefile", MAKEFILE_411)
    machine.write("var/lib/plug-in.py", PLUG_IN)
    machine.write("var/lib/rocks-attributes.json", json.dumps(
        {"global": attributes, "appliance": {}, "hosts": {"frontend": {"appliance": "frontend"}}, "firewall": []}))


def change(frontend, edit):
    """Edits the database of hosts and attributes."""
    data = json.loads(frontend.read("var/lib/rocks-attributes.json"))
    edit(data)
    frontend.write("var/lib/rocks-attributes.json", json.dumps(data))


def insert_ethers(frontend, name, address):
    """A new compute node has asked for an address."""
    change(frontend, lambda data: data["hosts"].update(
        {name: {"appliance": "compute", "attributes": {"hostname": name, "hostaddr": address}}}))
    frontend.run("python3", "/var/lib/plug-in.py", SITE, "/opt/rocks/var/plugins/insertethers/mallee.py", "added", name)


def remove_host(frontend, name):
    """rocks remove host NAME."""
    frontend.run("python3", "/var/lib/plug-in.py", SITE, f"{SITE}/rocks/commands/remove/host/plugin_mallee.py", "run", name)
    change(frontend, lambda data: data["hosts"].pop(name))


def distribute_411(frontend, node):
    """What a node's 411get --all brings."""
    served = frontend.path("var/411/served")
    for directory, _, files in os.walk(served):
        for file in files:
            source = os.path.join(directory, file)
            name = os.path.relpath(source, served)
            if name == "etc/hosts":
                continue
            with open(source) as text:
                node.write(name, text.read(), os.stat(source).st_mode & 0o777)
            os.chown(node.path(name), os.stat(source).st_uid, os.stat(source).st_gid)
