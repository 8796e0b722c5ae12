"""The roll's own scripts, run in throw-away roots: as `rocks run roll` runs them, and as a first boot does."""

import os
import shutil
import unittest

import rendering
from chroot import RECORDER, Root

POST = "etc/rc.d/rocksconfig.d/post-85-mallee-server"
NODE_POST = "etc/rc.d/rocksconfig.d/post-80-mallee-node"


class HostTest(unittest.TestCase):
    def host(self, rocks="7.0", systemd=True, running=True):
        root = Root(rocks, systemd, running)
        self.addCleanup(root.remove)
        return root

    def run_posts(self, root, kind, attributes, rocks="7.0"):
        text = "\n".join(rendering.posts(rendering.kickstart(kind, attributes, rocks)))
        return root.run(text)


class Frontend(HostTest):
    def test_running_the_roll_makes_a_cloud_in_one_go(self):
        root = self.host()
        status, output = self.run_posts(root, "server", rendering.SERVER)
        self.assertEqual(status, 0, output)
        self.assertIn("this frontend is a cloud", output)
        self.assertFalse(root.exists(POST))
        calls = root.calls()
        self.assertIn("mallee init --zone=our-cluster-2nd --region=us-east-1 --address=10.1.1.1 "
                      "--public-address=192.0.2.7 --address-block=127.1.0.0/16 --enrolment=auto", calls)
        for service in ("cloud", "walrus", "cluster"):
            self.assertLess(calls.index("systemctl enable mallee-" + service),
                            calls.index("systemctl start mallee-" + service))
        self.assertIn("make --no-print-directory -C /var/411", calls)
        self.assertLess(calls.index("systemctl start mallee-cluster"), calls.index("rocks sync mallee"))
        self.assertEqual(root.read("rocks/appliances/compute/mallee"), "true\n")
        self.assertEqual(root.read("rocks/attributes/mallee_authority_fingerprint"), "sha256:abcd\n")
        self.assertTrue(root.read("var/411/Files.mk").endswith(
            "/etc/shadow\nFILES_NOCOMMENT += /etc/mallee/enrolment.secret /etc/mallee/authority.fingerprint\n"))

    def test_what_rocks_run_roll_prints_installs_the_packages_and_makes_a_cloud(self):
        for rocks, systemd, first in (("7.0", True, "yum --nogpgcheck -y install"), ("5.4", False, "rpm -Uhv")):
            with self.subTest(rocks=rocks):
                root = self.host(rocks, systemd)
                for program in ("rpm", "yum"):
                    root.program("usr/bin/" + program, RECORDER)
                status, output = root.run(rendering.run_roll(rendering.SERVER, rocks))
                self.assertEqual(status, 0, output)
                self.assertIn("this frontend is a cloud", output)
                calls = root.calls()
                installed = [call for call in calls if call.startswith(first)]
                for package in ("mallee", "mallee-cloud", "mallee-walrus", "mallee-cluster"):
                    self.assertRegex(" ".join(installed), r"[ /]%s[ -]" % package)
                self.assertLess(calls.index(installed[-1]), calls.index("make --no-print-directory -C /var/411"))

    def test_the_secret_is_in_no_argument_and_no_output(self):
        root = self.host()
        _, output = self.run_posts(root, "server", rendering.SERVER)
        self.assertNotIn("5ec2e7", output)
        self.assertNotIn("5ec2e7", "\n".join(root.calls()))

    def test_a_second_run_changes_nothing(self):
        for rocks, systemd in (("7.0", True), ("5.4", False)):
            with self.subTest(rocks=rocks):
                root = self.host(rocks, systemd)
                self.assertEqual(self.run_posts(root, "server", rendering.SERVER, rocks)[0], 0)
                before, firewall = root.tree(), root.read("rocks/firewall")
                attributes = {path.name: path.read_text() for path in (root.path / "rocks/attributes").iterdir()}
                root.calls()
                status, output = self.run_posts(root, "server", rendering.SERVER, rocks)
                self.assertEqual(status, 0, output)
                self.assertEqual(root.tree(), before)
                self.assertEqual(root.read("rocks/firewall"), firewall)
                self.assertEqual(
                    {path.name: path.read_text() for path in (root.path / "rocks/attributes").iterdir()}, attributes)
                self.assertFalse([call for call in root.calls() if call.startswith(("rocks set", "rocks add", "rocks sync host"))])

    def test_what_someone_has_set_stays(self):
        root = self.host()
        root.write("rocks/attributes/mallee_zone", "lab\n")
        root.write("rocks/attributes/mallee_enrolment", "approve\n")
        root.write("rocks/attributes/mallee", "false\n")
        status, output = self.run_posts(root, "server", rendering.SERVER)
        self.assertEqual(status, 0, output)
        init = [call for call in root.calls() if call.startswith("mallee init")][0]
        self.assertIn("--zone=lab ", init)
        self.assertIn("--enrolment=approve", init)
        self.assertFalse(root.exists("rocks/appliances/compute/mallee"))

    def test_objects_lie_on_the_large_partition_unless_they_lie_somewhere_already(self):
        for table in ("etc/fstab", "proc/mounts"):
            with self.subTest(table=table):
                root = self.host()
                root.write(table, "# /dev/sda1 /state/partition1\n/dev/sda5 /state/partition1 ext4 rw 0 0\n")
                self.run_posts(root, "server", rendering.SERVER)
                init = [call for call in root.calls() if call.startswith("mallee init")][0]
                self.assertIn(" --walrus-directory=/state/partition1/mallee/walrus", init)
        for kept in ("rocks/attributes/mallee_walrus_dir", "etc/mallee/walrus.conf"):
            with self.subTest(kept=kept):
                root = self.host()
                root.write("proc/mounts", "/dev/sda5 /state/partition1 ext4 rw 0 0\n")
                root.write(kept, "/data/walrus\n" if "rocks" in kept else 'STATE_DIR="/var/lib/mallee/walrus"\n')
                self.run_posts(root, "server", rendering.SERVER)
                init = [call for call in root.calls() if call.startswith("mallee init")][0]
                self.assertNotIn("partition1", init)
                self.assertEqual("--walrus-directory=/data/walrus" in init, "rocks" in kept)
        root = self.host()
        root.write("proc/mounts", "/dev/sda5 /state/partition1 ext4 rw 0 0\n")
        root.write("state/partition1/mallee/walrus/index.db", "")
        _, output = self.run_posts(root, "server", rendering.SERVER)
        self.assertIn("has the objects of an earlier cloud", output)
        self.assertTrue(root.exists(POST))
        self.assertFalse([call for call in root.calls() if call.startswith("mallee init")])
        root = self.host()
        root.write("etc/fstab", "# /dev/sda5 /state/partition1 ext4 rw 0 0\n")
        self.run_posts(root, "server", rendering.SERVER)
        self.assertNotIn("--walrus-directory", "\n".join(root.calls()))

    def test_a_cluster_that_is_called_like_the_cloud_gets_its_nodes_too(self):
        root = self.host()
        root.write("rocks/attributes/Info_ClusterName", "our mallee cloud\n")
        root.write("rocks/attributes/Info_ClusterContact", "mallee\n")
        root.write("rocks/appliances/compute/motto", "mallee\n")
        status, output = self.run_posts(root, "server", rendering.SERVER)
        self.assertEqual(status, 0, output)
        self.assertEqual(root.read("rocks/appliances/compute/mallee"), "true\n")

    def test_each_release_gets_its_own_firewall_commands(self):
        root = self.host("7.0")
        self.run_posts(root, "server", rendering.SERVER)
        self.assertEqual(root.read("rocks/firewall"), "A80-MALLEE-EC2 8773 tcp ACCEPT INPUT public\n"
                         "A80-MALLEE-S3 8780 tcp ACCEPT INPUT public\n")
        self.assertIn("rocks sync host firewall localhost", root.calls())
        root = self.host("5.4", systemd=False)
        self.run_posts(root, "server", rendering.SERVER, "5.4")
        self.assertEqual(root.read("rocks/firewall"),
                         "8773 tcp INPUT ACCEPT public\n8780 tcp INPUT ACCEPT public\n")
        self.assertIn("rocks sync host firewall localhost", root.calls())

    def test_without_systemd_the_services_are_those_of_chkconfig(self):
        root = self.host("5.4", systemd=False)
        status, output = self.run_posts(root, "server", rendering.SERVER, "5.4")
        self.assertEqual(status, 0, output)
        calls = root.calls()
        for service in ("cloud", "walrus", "cluster"):
            self.assertIn("chkconfig --add mallee-" + service, calls)
            self.assertIn("chkconfig mallee-%s on" % service, calls)
            self.assertIn("service mallee-%s start" % service, calls)

    def test_the_plug_ins_are_in_the_python_of_this_rocks_and_can_be_taken_out_again(self):
        for rocks, systemd in (("7.0", True), ("5.4", False)):
            with self.subTest(rocks=rocks):
                root = self.host(rocks, systemd)
                clean = set(path for path in root.tree() if path.startswith("opt/"))
                self.run_posts(root, "server", rendering.SERVER, rocks)
                for path in ("list/mallee/__init__.py", "report/mallee/__init__.py",
                             "report/mallee/nodes/__init__.py", "sync/mallee/__init__.py",
                             "sync/config/plugin_mallee.py", "remove/host/plugin_mallee.py"):
                    self.assertEqual(root.mode(root.site + "/rocks/commands/" + path), 0o644)
                self.assertTrue(root.exists("opt/rocks/var/plugins/insertethers/mallee.py"))
                # As Python leaves them beside.
                root.write(root.site + "/rocks/commands/list/mallee/__init__.pyc", "")
                root.write(root.site + "/mallee_rocks.pyc", "")
                status, output = root.run("/usr/share/mallee/rocks/configure-frontend --remove\n")
                self.assertEqual((status, output), (0, ""))
                left = set(path for path in root.tree() if path.startswith("opt/")) - clean
                # Directories that belong to Rocks itself on a real frontend.
                left -= {root.site + "/rocks/commands/" + path
                         for path in ("list", "report", "sync", "sync/config", "remove", "remove/host")}
                self.assertEqual(left, {"opt/rocks/var/plugins/insertethers/__init__.py"})

    def test_an_upgrade_replaces_the_plug_ins_and_their_compiled_copies(self):
        root = self.host()
        self.run_posts(root, "server", rendering.SERVER)
        helper = root.site + "/mallee_rocks.py"
        root.write(helper, "old")
        root.write(helper + "c", "old")
        root.calls()
        self.assertEqual(root.run("/usr/share/mallee/rocks/configure-frontend --plug-ins\n"), (0, ""))
        self.assertNotEqual(root.read(helper), "old")
        self.assertFalse(root.exists(helper + "c"))
        self.assertEqual(root.calls(), [])

    def test_in_the_installer_nothing_happens_until_the_first_boot(self):
        root = self.host(running=False)
        status, output = self.run_posts(root, "server", rendering.SERVER)
        self.assertEqual(status, 0, output)
        self.assertIn("set up at the first boot", output)
        self.assertEqual(root.calls(), [])
        self.assertEqual(root.mode(POST), 0o755)
        (root.path / "proc/1/root").symlink_to("/")
        (root.path / "run/systemd/system").mkdir(parents=True)
        status, output = root.run("", ("/" + POST,))
        self.assertEqual(status, 0, output)
        self.assertFalse(root.exists(POST))
        self.assertIn("systemctl start mallee-cluster", root.calls())

    def test_a_boot_without_the_database_tries_again_at_the_next(self):
        root = self.host()
        root.write("rocks/down", "")
        _, output = self.run_posts(root, "server", rendering.SERVER)
        self.assertIn("the Rocks database does not answer", output)
        self.assertTrue(root.exists(POST))
        self.assertFalse([call for call in root.calls() if call.startswith("mallee init")])
        (root.path / "rocks/down").unlink()
        status, output = root.run("", ("/" + POST,))
        self.assertEqual(status, 0, output)
        self.assertFalse(root.exists(POST))

    def test_each_failure_says_what_to_do_and_keeps_the_script(self):
        for program, words in (("mallee", "does not run"), ("make", "make -C /var/411 failed"),
                               ("systemctl", "mallee-walrus does not start; journalctl -u mallee-walrus, /var/log")):
            with self.subTest(program=program):
                root = self.host()
                root.write("fail/" + program, "")
                _, output = self.run_posts(root, "server", rendering.SERVER)
                self.assertIn(words, output)
                self.assertNotIn("this frontend is a cloud", output)
                self.assertTrue(root.exists(POST))


class Node(HostTest):
    def settings(self, root):
        lines = [line for line in root.read("etc/mallee/node.conf").splitlines() if line and line[0] != "#"]
        return dict(line.split("=", 1) for line in lines)

    def test_a_compute_node_knows_its_cloud_and_enrols_at_the_first_boot(self):
        root = self.host(running=False)
        status, output = self.run_posts(root, "compute", rendering.COMPUTE)
        self.assertEqual(status, 0, output)
        settings = self.settings(root)
        self.assertEqual(settings["NODE_NAME"], '"compute-0-0"')
        self.assertEqual(settings["ADVERTISED_ADDRESS"], '"10.1.255.254"')
        self.assertEqual(settings["CLUSTER_ENDPOINT"], '"https://10.1.1.1:8774/services/ClusterController"')
        self.assertEqual(settings["ENROLMENT_ENDPOINT"], '"https://10.1.1.1:8777/services/Enrolment"')
        self.assertEqual(settings["ENROLMENT_SECRET_FILE"], '"/etc/mallee/enrolment.secret"')
        self.assertEqual(settings["STATE_DIR"], '"/var/lib/mallee/node"')
        self.assertEqual(settings["IDENTITY_DIR"], '"/var/lib/mallee/node/identity"')
        self.assertEqual(settings["REGION"], '"us-east-1"')
        self.assertNotIn("MAX_MEM", settings)
        self.assertEqual(root.mode("var/lib/mallee/node"), 0o700)
        self.assertEqual(root.read("etc/mallee/authority.fingerprint"), "sha256:abcd\n")
        self.assertEqual(root.mode("etc/mallee/authority.fingerprint"), 0o644)
        self.assertEqual(root.calls(), ["systemctl enable mallee-node"])
        (root.path / "run/systemd/system").mkdir(parents=True)
        status, output = root.run("", ("/" + NODE_POST,))
        self.assertEqual(status, 0, output)
        self.assertEqual(root.calls(), ["411get --all", "systemctl start --no-block mallee-node"])
        self.assertFalse(root.exists(NODE_POST))

    def test_attributes_of_the_host_reach_its_configuration_once_each(self):
        root = self.host(running=False)
        attributes = {**rendering.COMPUTE, "mallee_max_mem": "2048", "mallee_state_dir": "/data/mallee",
                      "mallee_cores_overcommit": "4", "mallee_hypervisor": "qemu", "mallee_bridge": "xenbr0"}
        self.run_posts(root, "compute", attributes)
        once = root.read("etc/mallee/node.conf")
        self.run_posts(root, "compute", attributes)
        self.assertEqual(root.read("etc/mallee/node.conf"), once)
        settings = self.settings(root)
        self.assertEqual((settings["MAX_MEM"], settings["STATE_DIR"], settings["CORES_OVERCOMMIT"],
                          settings["HYPERVISOR"], settings["VNET_BRIDGE"]),
                         ('"2048"', '"/data/mallee"', '"4"', '"qemu"', '"xenbr0"'))
        self.assertEqual(once.count("\nSTATE_DIR="), 1)
        self.assertEqual(root.mode("data/mallee"), 0o700)

    def test_the_large_partition_takes_the_disks_but_not_the_identity(self):
        for table in ("etc/fstab", "proc/mounts"):
            with self.subTest(table=table):
                root = self.host(running=False)
                root.write(table, "# /dev/sda1 /state/partition1\n/dev/sda5 /state/partition1 ext4 rw 0 0\n")
                self.run_posts(root, "compute", rendering.COMPUTE)
                self.assertEqual(self.settings(root)["STATE_DIR"], '"/state/partition1/mallee/node"')
                self.assertEqual(self.settings(root)["IDENTITY_DIR"], '"/var/lib/mallee/node/identity"')

    def test_a_node_without_the_cloud_attributes_still_finds_the_frontend(self):
        root = self.host(running=False)
        attributes = {key: value for key, value in rendering.COMPUTE.items() if not key.startswith("mallee_")}
        status, output = self.run_posts(root, "compute", attributes)
        self.assertEqual(status, 0, output)
        self.assertEqual(self.settings(root)["ENROLMENT_ENDPOINT"], '"https://10.1.1.1:8777/services/Enrolment"')
        self.assertNotIn("REGION", self.settings(root))
        # 411 brings it then.
        self.assertFalse(root.exists("etc/mallee/authority.fingerprint"))

    def test_a_secret_that_is_late_is_asked_for_at_each_boot(self):
        root = self.host("5.4", systemd=False)
        self.run_posts(root, "compute", rendering.COMPUTE, "5.4")
        self.assertEqual(root.calls(), ["chkconfig --add mallee-node", "chkconfig mallee-node on"])
        root.write("rocks/411-down", "")
        status, output = root.run("", ("/" + NODE_POST,))
        self.assertEqual(status, 1)
        self.assertIn("has not come by 411", output)
        self.assertTrue(root.exists(NODE_POST))
        # The service runs all the same, and sees the secret when it comes.
        self.assertIn("service mallee-node start", root.calls())
        (root.path / "rocks/411-down").unlink()
        self.assertEqual(root.run("", ("/" + NODE_POST,))[0], 0)
        self.assertFalse(root.exists(NODE_POST))

    def test_a_service_that_does_not_start_is_told_of(self):
        root = self.host("5.4", systemd=False)
        self.run_posts(root, "compute", rendering.COMPUTE, "5.4")
        root.write("fail/service", "")
        status, output = root.run("", ("/" + NODE_POST,))
        self.assertEqual(status, 1)
        self.assertIn("mallee-node did not start", output)
        self.assertTrue(root.exists(NODE_POST))

    def test_a_missing_package_is_told_of(self):
        root = self.host(running=False)
        (root.path / "etc/mallee/node.conf").unlink()
        _, output = self.run_posts(root, "compute", rendering.COMPUTE)
        self.assertIn("package mallee-node is not installed", output)


if __name__ == "__main__":
    unittest.main()
