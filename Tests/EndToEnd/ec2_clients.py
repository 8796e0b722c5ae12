"""EC2 with the clients that people have: boto 2 (connect_euca) and libcloud's Eucalyptus driver, unmodified, beside
boto3. Simulated nodes; signatures of version 2 and 4; the paths of the original."""

import urllib.parse

import boto
import boto3
import boto.exception
import botocore.config
import botocore.exceptions
import libcloud.compute.providers
import libcloud.compute.types

from harness import Cloud, main, wait_for


class Clients:
    """A cloud with an image, and its administrator by each client."""

    def __init__(self, binaries, venv):
        self.cloud = Cloud(binaries, venv, "--hypervisor", "simulated", "--nodes", "4", "--clusters", "2", "--no-demo")
        self.cloud.start()
        values = self.cloud.environment()
        parts = urllib.parse.urlsplit(values["EC2_URL"])
        self.host, self.port = parts.hostname, parts.port
        self.key, self.secret = values["EC2_ACCESS_KEY"], values["EC2_SECRET_KEY"]
        session = boto3.session.Session(self.key, self.secret, region_name=values["AWS_DEFAULT_REGION"])
        self.ec2 = session.client("ec2", endpoint_url=values["EC2_URL"])
        self.s3 = session.client(
            "s3", endpoint_url=values["S3_URL"], config=botocore.config.Config(s3={"addressing_style": "path"}))
        # Ready means that the nodes are there: nobody has to wait for them.
        lines = self.ec2.describe_availability_zones(ZoneNames=["verbose"])["AvailabilityZones"]
        nodes = [line for line in lines if line["ZoneName"].startswith("|- ") and line["State"].startswith("up ")]
        assert len(nodes) == 8, lines
        self.s3.create_bucket(Bucket="disks")
        self.s3.put_object(Bucket="disks", Key="small.img", Body=bytes(510) + b"\x55\xaa" + bytes(1 << 20))
        self.image = self.ec2.register_image(
            Name="small", ImageLocation="disks/small.img", RootDeviceName="/dev/sda1")["ImageId"]

    def boto2(self, path="/services/Eucalyptus"):
        return boto.connect_euca(self.host, self.key, self.secret, port=self.port, path=path, is_secure=False)

    def libcloud(self, path="/services/Eucalyptus"):
        driver = libcloud.compute.providers.get_driver(libcloud.compute.types.Provider.EUCALYPTUS)
        return driver(self.key, self.secret, secure=False, host=self.host, port=self.port, path=path)


def with_clients(test):
    def run(binaries, venv):
        clients = Clients(binaries, venv)
        try:
            test(clients)
        except Exception:
            print(clients.cloud.log())
            raise
        finally:
            clients.cloud.remove()
    run.__name__ = test.__name__
    return run


def refused(code, call, *arguments, **named):
    """The call fails with EC2's code, as boto 2 or boto3 says it."""
    try:
        call(*arguments, **named)
    except boto.exception.EC2ResponseError as error:
        assert error.error_code == code, error
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"{code} was expected")


@with_clients
def test_boto_2_from_key_pair_to_termination(clients):
    for path in ("/services/Eucalyptus", "/services/compute", "/"):
        names = sorted(zone.name for zone in clients.boto2(path).get_all_zones())
        assert names == ["us-east-1a", "us-east-1b"], names
    ec2 = clients.boto2()
    assert [region.name for region in ec2.get_all_regions()] == ["us-east-1"]

    pair = ec2.create_key_pair("old")
    assert "PRIVATE KEY" in pair.material, "no private key"
    refused("InvalidKeyPair.Duplicate", ec2.create_key_pair, "old")

    group = ec2.create_security_group("web", "for the web")
    assert group.authorize("tcp", 80, 80, "0.0.0.0/0")
    assert group.authorize("icmp", -1, -1, "10.0.0.0/8")
    assert group.authorize(src_group=group)
    refused("InvalidPermission.Duplicate", group.authorize, "tcp", 80, 80, "0.0.0.0/0")
    rules = ec2.get_all_security_groups(groupnames=["web"])[0].rules
    ports = {(rule.ip_protocol, rule.from_port, rule.to_port) for rule in rules}
    assert {("tcp", "80", "80"), ("icmp", "-1", "-1")} <= ports, ports
    assert group.revoke("icmp", -1, -1, "10.0.0.0/8")

    images = ec2.get_all_images(owners=["self"])
    assert [image.id for image in images] == [clients.image], images
    run = ec2.run_instances(
        clients.image, min_count=2, max_count=2, key_name="old", security_groups=["web"], user_data="hello",
        instance_type="m1.small", placement="us-east-1b", client_token="boto-2")
    again = ec2.run_instances(
        clients.image, min_count=2, max_count=2, key_name="old", security_groups=["web"], user_data="hello",
        instance_type="m1.small", placement="us-east-1b", client_token="boto-2")
    ids = sorted(instance.id for instance in run.instances)
    assert ids == sorted(instance.id for instance in again.instances)
    assert {instance.state for instance in run.instances} == {"pending"}

    def states():
        return {i.id: i.state for i in ec2.get_only_instances(instance_ids=ids)}

    wait_for("both run", lambda: set(states().values()) == {"running"}, 60)
    first = ec2.get_only_instances(instance_ids=ids[:1])[0]
    assert (first.placement, first.key_name, first.instance_type) == ("us-east-1b", "old", "m1.small")
    assert [group.name for group in first.groups] == ["web"]
    first.add_tag("Name", "first")
    found = ec2.get_only_instances(filters={"tag:Name": "fir*"})
    assert [instance.id for instance in found] == [first.id], found
    assert [tag.value for tag in ec2.get_all_tags(filters={"resource-id": first.id})] == ["first"]
    assert first.get_attribute("disableApiTermination") == {"disableApiTermination": False}
    assert first.modify_attribute("disableApiTermination", True)
    refused("OperationNotPermitted", ec2.terminate_instances, [first.id])
    assert first.modify_attribute("disableApiTermination", False)
    assert len(ec2.get_all_instance_status(instance_ids=ids)) == 2
    ec2.get_console_output(first.id)
    assert ec2.reboot_instances(ids)
    refused("InvalidGroup.InUse", ec2.delete_security_group, "web")
    ended = ec2.terminate_instances(ids)
    assert {instance.state for instance in ended} <= {"shutting-down", "terminated"}
    wait_for("both are over", lambda: set(states().values()) == {"terminated"}, 60)
    assert ec2.delete_security_group("web")
    assert ec2.delete_key_pair("old")
    refused("InvalidKeyPair.NotFound", ec2.get_all_key_pairs, ["old"])
    refused("InvalidAMIID.NotFound", ec2.run_instances, "ami-00000000")


@with_clients
def test_libcloud_lists_what_the_cloud_has_and_runs_a_node(clients):
    driver = clients.libcloud()
    sizes = {size.id: size for size in driver.list_sizes()}
    assert sizes["m1.small"].ram > 0, sizes
    zones = [zone.name for zone in driver.ex_list_availability_zones()]
    assert zones == ["us-east-1a", "us-east-1b"], zones
    images = driver.list_images()
    assert [image.id for image in images] == [clients.image], images
    pair = driver.create_key_pair("lib")
    assert pair.private_key and driver.get_key_pair("lib").fingerprint == pair.fingerprint
    driver.ex_create_security_group("lib", "of libcloud")
    driver.ex_authorize_security_group("lib", 22, 22, "0.0.0.0/0")
    assert "lib" in driver.ex_list_security_groups()
    node = driver.create_node(
        name="first", image=images[0], size=sizes["m1.small"], ex_keyname="lib", ex_security_groups=["lib"])
    running, addresses = driver.wait_until_running([node], wait_period=0.2, timeout=60)[0]
    assert addresses and running.name == "first", (running, addresses)
    assert [found.id for found in driver.list_nodes(ex_node_ids=[node.id])] == [node.id]
    assert driver.ex_get_metadata_for_node(node)["Name"] == "first"
    assert driver.reboot_node(running)
    assert driver.destroy_node(running)
    wait_for("it is over", lambda: [found.state for found in driver.list_nodes(ex_node_ids=[node.id])] in (
        [], [libcloud.compute.types.NodeState.TERMINATED]), 60)
    driver.ex_delete_security_group("lib")
    assert driver.delete_key_pair(pair)


@with_clients
def test_boto3_imports_an_image_and_launches_it(clients):
    ec2 = clients.ec2
    refused("DryRunOperation", ec2.import_image, DryRun=True, DiskContainers=[disk("disks", "small.img")])
    task = ec2.import_image(
        Description="by boto3", ClientToken="once", DiskContainers=[disk("disks", "small.img")],
        TagSpecifications=[{"ResourceType": "import-image-task", "Tags": [{"Key": "k", "Value": "v"}]}])
    assert ec2.import_image(
        Description="by boto3", ClientToken="once", DiskContainers=[disk("disks", "small.img")],
        TagSpecifications=[{"ResourceType": "import-image-task", "Tags": [{"Key": "k", "Value": "v"}]}],
    )["ImportTaskId"] == task["ImportTaskId"]

    def ended(name):
        found = ec2.describe_import_image_tasks(ImportTaskIds=[name])["ImportImageTasks"][0]
        return found if found["Status"] != "active" else None

    done = wait_for("the import", lambda: ended(task["ImportTaskId"]), 60)
    assert done["Status"] == "completed", done
    image = ec2.describe_images(ImageIds=[done["ImageId"]])["Images"][0]
    assert (image["State"], image["Description"]) == ("available", "by boto3"), image
    broken = ec2.import_image(DiskContainers=[disk("disks", "missing.img")])
    failed = wait_for("the failure", lambda: ended(broken["ImportTaskId"]), 60)
    assert failed["Status"] == "deleted" and "missing.img" in failed["StatusMessage"], failed
    refused("UnsupportedOperation", ec2.import_image, DiskContainers=[{**disk("disks", "small.img"), "Format": "VMDK"}])

    run = ec2.run_instances(
        ImageId=image["ImageId"], MinCount=1, MaxCount=1, InstanceType="m1.small",
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "imported"}]}])
    instance = run["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    pages = ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 5})
    assert sum(len(page["InstanceTypes"]) for page in pages) >= 5
    refused("InsufficientInstanceCapacity", ec2.run_instances, DryRun=True, ImageId=image["ImageId"],
            MinCount=2000, MaxCount=2000, InstanceType="m1.small")
    refused("DryRunOperation", ec2.run_instances, DryRun=True, ImageId=image["ImageId"],
            MinCount=1, MaxCount=1, InstanceType="m1.small")
    refused("DryRunOperation", ec2.stop_instances, DryRun=True, InstanceIds=[instance])
    of_instance = [{"Name": "attachment.instance-id", "Values": [instance]}]
    (interface,) = ec2.describe_network_interfaces(Filters=of_instance)["NetworkInterfaces"]
    (reservation,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    described = reservation["Instances"][0]
    for name in ("NetworkInterfaceId", "PrivateIpAddress", "MacAddress", "SubnetId", "VpcId", "Groups"):
        assert interface[name] == described["NetworkInterfaces"][0][name], name
    assert interface["PrivateIpAddress"] == described["PrivateIpAddress"]
    refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=["ami-fake123"])
    refused("InvalidAMIID.Malformed", ec2.describe_images, ImageIds=["fake123"])
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def disk(bucket, key):
    return {"Format": "RAW", "UserBucket": {"S3Bucket": bucket, "S3Key": key}}


main([
    test_boto_2_from_key_pair_to_termination,
    test_libcloud_lists_what_the_cloud_has_and_runs_a_node,
    test_boto3_imports_an_image_and_launches_it,
])
