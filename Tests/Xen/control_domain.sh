#!/bin/bash
# First process of the control domain: mounts, Xen's daemons, and the node controller under a loop that starts
# it again, as systemd would. What comes in over the console, or at port 2300, is
# carried out.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
# As udev does. Without /dev/stdin, Xen's scripts wait for their locks in a loop until they are killed after 40 s.
ln -s /proc/self/fd /dev/fd
for number in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${number%:*}" "/dev/${number#*:}"; done
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -o remount,rw /
hostname dom0
for module in xen-netback xen-blkback xen-blkfront xen-gntdev xen-gntalloc xen-evtchn tun loop virtio_net; do
    modprobe "$module" 2> /dev/null
done
mkdir -p /run/lock /var/log/xen
ip link set lo up
interface=$(ls /sys/class/net | grep -E '^(en|eth)' | head -n 1)
ip address add 10.0.2.15/24 dev "$interface"
ip link set "$interface" up
ip route add default via 10.0.2.2
mount -t xenfs xenfs /proc/xen
/etc/init.d/xen start
# As is advised for hosts: guests that boot must not keep the domain from serving them.
xl sched-credit2 -d 0 -w 2048
echo "control domain is up"
socat TCP-LISTEN:2300,reuseaddr,fork EXEC:/bin/bash &
while :; do
    mallee-node --config /etc/mallee/node.conf
    echo "mallee-node ended with $?"
    sleep 1
done 2>&1 &
while :; do
    read -r line || { sleep 1; continue; }
    case $line in
    off) sync; echo o > /proc/sysrq-trigger; sleep 10 ;;
    *) eval "$line" ;;
    esac
done < /dev/hvc0
