"""The main job with unmodified clients: run a real instance, read its console, log in by ssh, terminate it."""

import os
import signal

from harness import Cloud, main, ssh, wait_for


def test_a_real_instance_from_key_pair_to_termination(binaries, venv):
    cloud = Cloud(binaries, venv).start(300)
    try:
        key = os.path.join(cloud.state, "key.pem")
        made = cloud.aws("ec2", "create-key-pair", "--key-name", "mine")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(made["KeyMaterial"])
        images = cloud.aws("ec2", "describe-images", "--owners", "self", "--filters", "Name=name,Values=mallee-demo")
        image = images["Images"][0]["ImageId"]
        cloud.aws("ec2", "authorize-security-group-ingress", "--group-name", "default",
                  "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
        data = "#!/bin/sh\necho user-data-has-run\n"
        run = cloud.aws("ec2", "run-instances", "--image-id", image, "--instance-type", "m1.small",
                        "--key-name", "mine", "--user-data", data)
        instance = run["Instances"][0]["InstanceId"]
        assert run["Instances"][0]["State"]["Name"] == "pending"
        found = cloud.wait_state(instance, "running")
        address = found["PublicIpAddress"]
        assert address.startswith("127."), address

        def console():
            answer = cloud.aws("ec2", "get-console-output", "--instance-id", instance)
            return answer.get("Output") or ""

        text = wait_for("the guest is ready", lambda: (lambda t: t if "mallee-demo: ready" in t else None)(console()), 90, 1)
        assert "user-data-has-run" in text, text
        assert f"ready, instance {instance}" in text, text

        logged_in = wait_for(
            "ssh", lambda: (lambda d: d if d.returncode == 0 else None)(
                ssh(cloud, address, key, "metadata user-data; hostname; metadata meta-data/instance-id")), 60, 1)
        assert data in logged_in.stdout, logged_in
        assert instance in logged_in.stdout, logged_in
        token = ssh(cloud, address, key,
                    "printf 'PUT /latest/api/token HTTP/1.0\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60\\r\\n\\r\\n'"
                    " | nc 169.254.169.254 80 | tail -n 1")
        assert len(token.stdout.strip()) >= 20, token

        # A port that no group opens is closed, and opening and closing works on the running instance.
        closed = ssh(cloud, address, key, "true", port=2222)
        assert closed.returncode != 0
        cloud.aws("ec2", "revoke-security-group-ingress", "--group-name", "default",
                  "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
        wait_for("port 22 is closed", lambda: ssh(cloud, address, key, "true").returncode != 0, 20)
        cloud.aws("ec2", "authorize-security-group-ingress", "--group-name", "default",
                  "--protocol", "tcp", "--port", "22", "--cidr", "127.0.0.0/8")
        wait_for("port 22 is open again", lambda: ssh(cloud, address, key, "true").returncode == 0, 20)

        # What is on the disk survives a reboot.
        assert ssh(cloud, address, key, "echo kept > /root/kept; sync").returncode == 0
        before = ssh(cloud, address, key, "cat /proc/sys/kernel/random/boot_id").stdout
        cloud.aws("ec2", "reboot-instances", "--instance-ids", instance)
        after = wait_for(
            "a new boot", lambda: (lambda d: d if d.returncode == 0 and d.stdout and not d.stdout.startswith(before) else None)(
                ssh(cloud, address, key, "cat /proc/sys/kernel/random/boot_id; cat /root/kept")), 90, 1)
        assert "kept" in after.stdout, after

        ended = cloud.aws("ec2", "terminate-instances", "--instance-ids", instance)
        assert ended["TerminatingInstances"][0]["CurrentState"]["Name"] in ("shutting-down", "terminated")
        wait_for("terminated", lambda: cloud.instances(instance)[0]["State"]["Name"] == "terminated", 60, 0.5)

        # Ctrl-C leaves no process behind.
        cloud.stop(signal.SIGINT)
        left = cloud.children()
        assert not left, left
    except Exception:
        print(cloud.log())
        raise
    finally:
        cloud.remove()


main([test_a_real_instance_from_key_pair_to_termination])
