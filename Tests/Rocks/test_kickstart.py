"""The kickstart files' parts that come from the roll: packages, syntax of the scripts, and what each release's installer
makes of them (by pykickstart, the installers' own parser)."""

import subprocess
import unittest

from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

import rendering

# Rocks 5.4 is made of RHEL 5, 6 of RHEL 6, 7 of RHEL 7.
RELEASES = {"5.4": "RHEL5", "6.2": "RHEL6", "7.0": "RHEL7"}
HOSTS = {"server": rendering.SERVER, "compute": rendering.COMPUTE, "vm-container": rendering.COMPUTE}


class Kickstart(unittest.TestCase):
    def test_the_installers_of_each_release_take_the_file(self):
        for rocks, syntax in RELEASES.items():
            for root, attributes in HOSTS.items():
                with self.subTest(rocks=rocks, root=root):
                    text = rendering.kickstart(root, attributes, rocks)
                    parser = KickstartParser(makeVersion(syntax), errorsAreFatal=True, missingIncludeIsFatal=True)
                    parser.readKickstartFromString(text)
                    self.assertTrue(parser.handler.packages.packageList)
                    self.assertEqual(parser.handler.packages.groupList, [])
                    self.assertTrue(parser.handler.scripts)
                    for script in parser.handler.scripts:
                        self.assertIn(script.interp, ("/bin/sh", "/bin/bash"))
                        self.check_shell(script.script)

    def test_the_scripts_are_shell(self):
        for root, attributes in HOSTS.items():
            for post in rendering.posts(rendering.kickstart(root, attributes)):
                self.check_shell(post)

    def check_shell(self, script):
        result = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_the_frontend_gets_the_services_and_no_node(self):
        self.assertEqual(
            set(rendering.packages(rendering.kickstart("server", rendering.SERVER))),
            {"logrotate", "mallee", "mallee-cloud", "mallee-walrus", "mallee-cluster", "mallee-tools",
             "roll-mallee-usersguide"})

    def test_a_compute_node_gets_the_node_controller_and_its_emulator(self):
        self.assertEqual(
            set(rendering.packages(rendering.kickstart("compute", rendering.COMPUTE))),
            {"logrotate", "mallee-node", "mallee-qemu"})

    def test_a_vm_container_with_the_attribute_is_a_node_like_any_other(self):
        compute = rendering.kickstart("compute", rendering.COMPUTE)
        container = rendering.kickstart("vm-container", rendering.COMPUTE)
        self.assertEqual(rendering.packages(container), rendering.packages(compute))
        self.assertEqual(rendering.posts(container), rendering.posts(compute))
        without = {key: value for key, value in rendering.COMPUTE.items() if key != "mallee"}
        self.assertEqual(rendering.packages(rendering.kickstart("vm-container", without)), [])

    def test_who_has_switched_mallee_off_gets_nothing_of_it(self):
        for value in ("false", "no", "0"):
            for root, attributes in HOSTS.items():
                text = rendering.kickstart(root, {**attributes, "mallee": value})
                self.assertEqual((rendering.packages(text), rendering.posts(text)), ([], []), (root, value))

    def test_a_compute_node_without_the_attribute_gets_nothing_of_it(self):
        attributes = {key: value for key, value in rendering.COMPUTE.items() if key != "mallee"}
        self.assertEqual(rendering.packages(rendering.kickstart("compute", attributes)), [])


if __name__ == "__main__":
    unittest.main()
