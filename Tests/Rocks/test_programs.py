"""The roll's scripts with Mallee's own programs: what they ask for is understood, and makes a cloud."""

import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

import rendering
from chroot import REPOSITORY, ROLL, Root, copy_program

BINARY = Path(os.environ.get("MALLEE_BIN", "")) / "mallee"


class Programs(unittest.TestCase):
    def test_the_frontends_script_makes_a_cloud_with_the_real_program(self):
        root = Root("7.0", systemd=True, running=True)
        self.addCleanup(root.remove)
        (root.path / "usr/bin/mallee").unlink()
        copy_program(BINARY, root.path, "usr/bin/mallee")
        for name in ("cloud", "walrus", "cluster"):
            shutil.copy(REPOSITORY / ("rpmspec/conf/%s.conf" % name), root.path / "etc/mallee")
        root.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        root.write("etc/group", "root:x:0:\n")
        script = "\n".join(rendering.posts(rendering.kickstart("server", rendering.SERVER)))
        status, output = root.run_with_processes(script)
        self.assertEqual(status, 0, output)
        self.assertIn("this frontend is a cloud", output)
        secret = root.read("etc/mallee/enrolment.secret")
        self.assertRegex(secret, r"\A[0-9a-f]{64}\n\Z")
        self.assertEqual(root.mode("etc/mallee/enrolment.secret"), 0o400)
        self.assertNotIn(secret.strip(), output)
        fingerprint = root.read("etc/mallee/authority.fingerprint")
        self.assertRegex(fingerprint, r"\Asha256:[0-9a-f]{64}\n\Z")
        # What the node's kickstart will have.
        self.assertEqual(root.read("rocks/attributes/mallee_authority_fingerprint"), fingerprint)
        self.assertIn('ZONE="our-cluster-2nd"', root.read("etc/mallee/cluster.conf"))
        self.assertIn("192.0.2.7", root.read("etc/mallee/cloud.conf"))
        before = root.tree()
        status, output = root.run_with_processes(script)
        self.assertEqual(status, 0, output)
        self.assertEqual({path: content for path, content in root.tree().items() if before.get(path) != content}, {})
        self.assertEqual(root.read("etc/mallee/enrolment.secret"), secret)

    def test_every_command_of_the_plug_ins_is_one_of_the_program(self):
        source = (ROLL / "frontend/mallee_rocks.py").read_text()
        commands = re.findall(r"\[MALLEE, ('node', [^\]]+)\]", source)
        self.assertEqual(len(commands), 4)
        for command in commands:
            words = [word.strip().strip("'") for word in command.split(",")]
            words = ["10.1.255.254" if word == "address" else word for word in words]
            result = subprocess.run([BINARY, *words, "--config", "/nonexistent"], input="compute-0-0\n",
                                    capture_output=True, text=True, timeout=60)
            # 64 is a wrong use; here only the configuration is missing.
            self.assertNotIn(result.returncode, (0, 64), result.stderr)
            self.assertIn("/nonexistent", result.stderr)


if __name__ == "__main__":
    unittest.main()
