"""The roll's files against everything that Rocks trips over, by their text alone."""

import re
import unittest
import xml.dom.minidom
from pathlib import Path

from chroot import REPOSITORY, ROLL

NODES = sorted((ROLL / "nodes").glob("*.xml"))
GRAPHS = sorted((ROLL / "graphs/default").glob("*.xml"))
PREDEFINED = {"amp", "lt", "gt", "quot", "apos"}


def parsed(path):
    """The document, parsed behind a header that declares the attributes in use, as Rocks does."""
    text = path.read_text()
    names = sorted(set(re.findall(r"&(\w+);", text)) - PREDEFINED)
    body = "".join(line for line in text.splitlines(True) if "<?xml" not in line)
    header = "<!DOCTYPE x [" + "".join('<!ENTITY %s "">' % name for name in names) + "]>"
    return xml.dom.minidom.parseString(header + body).documentElement


class RollFiles(unittest.TestCase):
    def test_every_file_is_well_formed_without_a_doctype_and_names_its_roll(self):
        self.assertEqual(len(NODES), 3)
        for path in NODES + GRAPHS:
            with self.subTest(path=path.name):
                text = path.read_text()
                self.assertNotIn("<!DOCTYPE", text)
                self.assertNotIn("CDATA", text)
                self.assertEqual(parsed(path).getAttribute("roll"), "mallee")
                # The line with the declaration is dropped whole.
                self.assertRegex(text, r'\A<\?xml version="1.0" standalone="no"\?>\n<(kickstart|graph) ')
                self.assertTrue(path.name.startswith("mallee"))

    def test_no_attribute_of_an_element_depends_on_a_rocks_attribute(self):
        for path in NODES + GRAPHS:
            for tag in re.findall(r"<[a-z][^<>]*>", path.read_text()):
                self.assertNotIn("&", tag, path.name)

    def test_posts_are_shell_and_never_leave_a_script_that_others_share(self):
        for path in NODES:
            for post in parsed(path).getElementsByTagName("post"):
                self.assertFalse(post.hasAttribute("interpreter") or post.hasAttribute("arg"), path.name)
                own = "".join(child.data for child in post.childNodes if child.nodeType == child.TEXT_NODE)
                # Rocks 5 feeds the posts of all nodes to one shell.
                self.assertNotRegex(own, r"(?m)^\s*(exit|exec|set -|umask|cd) ?")

    def test_every_edge_has_a_condition_that_rocks_can_pass_on(self):
        for path in GRAPHS:
            edges = parsed(path).getElementsByTagName("edge")
            self.assertEqual(len(edges), 4)
            for edge in edges:
                self.assertIn(edge.getAttribute("cond"), ("mallee", "mallee != 0"))
                self.assertNotIn('"', edge.getAttribute("cond"))
                for to in edge.getElementsByTagName("to"):
                    self.assertEqual(to.attributes.length, 0)

    def test_every_node_of_the_graph_has_its_file(self):
        names = set()
        for edge in parsed(GRAPHS[0]).getElementsByTagName("edge"):
            names |= {to.firstChild.data for to in edge.getElementsByTagName("to")}
        self.assertEqual(names, {path.stem for path in NODES})

    def test_a_clients_node_stands_in_no_order(self):
        for order in parsed(GRAPHS[0]).getElementsByTagName("order"):
            text = order.toxml()
            self.assertNotIn("mallee-client", text)
            self.assertNotIn("mallee-base", text)

    def test_the_rolls_description_has_what_rocks_reads_and_the_released_version(self):
        roll = parsed(ROLL / "roll-mallee.xml")
        info = roll.getElementsByTagName("info")[0]
        self.assertEqual(roll.getAttribute("name"), "mallee")
        self.assertEqual((info.getAttribute("arch"), info.getAttribute("os")), ("x86_64", "linux"))
        sources = (REPOSITORY / "Sources/Posix/MalleeRelease.swift").read_text()
        released = re.search(r"enum MalleeRelease.*?version\s*=\s*\"([^\"]+)\"", sources, re.S)
        self.assertIsNotNone(released)
        self.assertEqual(info.getAttribute("version"), released.group(1))
        iso = roll.getElementsByTagName("iso")[0]
        float(iso.getAttribute("maxsize")), int(iso.getAttribute("bootable"))

    def test_every_plug_in_is_installed_and_nothing_else_is_promised(self):
        script = (ROLL / "frontend/configure-frontend").read_text()
        listed = set(re.search(r'plug_ins="\n(.*?)"', script, re.S).group(1).split()[::2]) | {"insertethers.py"}
        present = {str(path.relative_to(ROLL / "frontend")) for path in (ROLL / "frontend").rglob("*.py")}
        self.assertEqual(listed, present)

    def test_no_address_is_written_into_the_files(self):
        for path in NODES + [ROLL / "frontend/configure-frontend"]:
            text = path.read_text().replace("127.1.0.0/16", "")
            self.assertNotRegex(text, r"\b\d+\.\d+\.\d+\.\d+\b|\beth\d|\bem\d", path.name)


if __name__ == "__main__":
    unittest.main()
