#!/bin/bash
# First process of the test node, in mount, network and process namespaces of its own. Lays the node's own /dev, /run,
# /etc, /usr, /var, /opt and parts of /sys over the host's, which stay untouched, starts containerd, and then only reaps
# orphans. When it is killed, the kernel ends every process of the node, and the mounts go with the namespace.
#
# Argument: the node's state folder, which holds etc/, usr/ and var/ with the files that the node has beyond the host's.
set -euo pipefail
state=$1
mount --make-rprivate /
mount -t proc proc /proc
mount --make-rshared /

# overlay PATH NAME: what is written below PATH goes to the state folder.
overlay() {
  mkdir -p "$state/$2" "$state/overlay/$2"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$state/$2,workdir=$state/overlay/$2" "$1"
}
overlay /etc etc
overlay /usr usr
overlay /var var
overlay /opt opt
overlay /sys/module sys-module
overlay /sys/bus/pci/devices pci-devices

# The container runtime makes overlays of its own, which cannot lie on an overlay.
for folder in /var/lib/containerd /var/lib/kubelet; do
  mkdir -p "$folder" "$state/bind$folder"
  mount --bind "$state/bind$folder" "$folder"
done
mkdir -p /var/lib/kubelet/device-plugins /var/log/pods

# Devices of a machine without any that matters; Onload's are made by the stand-in for modprobe.
mkdir -p "$state/dev"
mount -t tmpfs -o mode=755 tmpfs "$state/dev"
for device in null zero full random urandom tty kmsg; do
  [ ! -e "/dev/$device" ] || cp -a "/dev/$device" "$state/dev/$device"
done
for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2 ptmx:pts/ptmx; do
  ln -s "${link#*:}" "$state/dev/${link%%:*}"
done
mkdir "$state/dev/"{pts,shm,mqueue}
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$state/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$state/dev/shm"
mount -t mqueue mqueue "$state/dev/mqueue"
mount --rbind "$state/dev" /dev

# Where the stand-in for modprobe, in a container that sees only /lib/modules/KERNEL of the node, reaches what a real
# kernel module would make.
modules=/lib/modules/$(uname -r)
mkdir -p "$modules/stand-in/"{dev,module}
mount --bind /dev "$modules/stand-in/dev"
mount --bind /sys/module "$modules/stand-in/module"

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock

containerd --config /etc/containerd/onloadctl.toml >"$state/containerd.log" 2>&1 &
echo $! >/run/containerd.pid
until [ -S /run/containerd/containerd.sock ]; do
  kill -0 "$(cat /run/containerd.pid)" || { echo "containerd exited; see $state/containerd.log" >&2; exit 1; }
  read -r -t 0.05 <> <(:) || true
done
touch "$state/ready"
# The shell reaps whatever is left to it while it waits; containerd may be ended and started again by a test.
while :; do wait -n || true; read -r -t 1 <> <(:) || true; done
