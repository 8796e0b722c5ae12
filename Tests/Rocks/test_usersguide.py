"""The users guide: well-formed, whole, and true where the sources can tell."""

import re
import unittest
import xml.dom.minidom

from chroot import REPOSITORY, ROLL

GUIDE = ROLL / "usersguide"


class UsersGuide(unittest.TestCase):
    def setUp(self):
        self.text = (GUIDE / "index.html").read_text()
        self.page = xml.dom.minidom.parseString(self.text)
        self.elements = self.page.getElementsByTagName("*")

    def test_every_link_leads_somewhere_and_nothing_comes_from_elsewhere(self):
        ids = [element.getAttribute("id") for element in self.elements if element.hasAttribute("id")]
        self.assertEqual(len(ids), len(set(ids)))
        for element in self.elements:
            for name in ("href", "src"):
                target = element.getAttribute(name)
                if target.startswith("#"):
                    self.assertIn(target[1:], ids)
                elif target:
                    self.assertTrue((GUIDE / target).is_file(), target)

    def test_every_attribute_that_the_roll_reads_is_in_the_table_and_no_other(self):
        sources = "".join(path.read_text() for path in [*(ROLL / "nodes").glob("*.xml"),
                                                        ROLL / "frontend/configure-frontend"])
        used = set(re.findall(r"\bmallee_[a-z_]+", sources)) - {"mallee_nodes", "mallee_rocks"}
        table = re.search(r'id="attributes".*?</table>', self.text, re.S).group(0)
        described = set(re.findall(r"<code>(mallee_[a-z_]+)</code>", table))
        self.assertEqual(described, used)

    def test_every_hypervisor_that_a_node_can_be_told_is_named_where_it_is_told(self):
        sources = (REPOSITORY / "Sources/NodeController/NodeConfiguration.swift").read_text()
        choice = re.search(r"enum HypervisorChoice.*?\n    }", sources, re.S).group(0)
        row = re.search(r"<tr><td><code>mallee_hypervisor</code>.*?</tr>", self.text, re.S).group(0)
        comment = re.search(r"\n\n((?:#[^\n]*\n)+)#HYPERVISOR=", (REPOSITORY / "rpmspec/conf/node.conf").read_text()).group(1)
        choices = re.findall(r"case (\w+)", choice)
        self.assertIn("auto", choices)
        for name in choices:
            self.assertIn("<code>%s</code>" % name, row)
            self.assertRegex(comment, r"\b%s\b" % name)

    def test_every_verb_is_described(self):
        for verb in ("rocks list mallee", "rocks report mallee", "rocks report mallee nodes", "rocks sync mallee"):
            self.assertIn("<code>" + verb, self.text)

    def test_the_lines_of_a_node_that_cannot_enrol_are_those_of_the_program(self):
        sources = "".join(path.read_text() for path in (REPOSITORY / "Sources").rglob("*.swift"))
        # As one text, however the source breaks its lines.
        sources = re.sub(r'"\s*\+ "', "", sources)
        for line in ("the enrolment secret is missing", "not an enrolment secret of 64 hexadecimal digits",
                     "the enrolment secret is wrong", "the authority's fingerprint is missing",
                     "waits for the administrator's approval", "was announced for", "was superseded",
                     "was removed from the zone"):
            self.assertIn(line, sources)
            self.assertIn(line, self.text)


if __name__ == "__main__":
    unittest.main()
