#!/bin/bash
# Replaces the kernel's own sfc driver by the one of the Onload module image, before the network comes up.
#
# Nothing is removed until the image is on this node and its modules are known to fit the running kernel. Whatever goes
# wrong afterwards, the kernel's own driver is loaded again: here, or by sfc-restore-kernel-module.sh if this script is
# killed.
# shellcheck source=SCRIPTDIR/sfc-boot-common.sh
. /usr/local/bin/sfc-boot-common.sh || exit 1

finish() {
  set_outcome "$1"
  report "$1" "$2"
}

give_up() {
  if ensure_driver; then
    finish "$1" "$2"
  else
    finish NoDriver "$2, and the kernel's own sfc driver does not load either"
  fi
  exit 1
}

if [ "$(outcome)" = Replaced ]; then
  log "The driver was already replaced at this boot"
  exit 0
fi
set_outcome Interrupted

if ! podman image exists "$image"; then
  finish ImageAbsent "Image $image is not on this node; the kernel's own driver stays until it has been pulled"
  exit 0
fi
read_digest
stage_modules || give_up "$problem" "$detail"
check_modules || give_up "$problem" "$detail"

# udev may still be loading the kernel's own driver and naming its interfaces.
udevadm settle --timeout=30
bound_nics | write_file "$run_dir/nics" || give_up StageFailed "Cannot write $run_dir/nics"
trap ensure_driver EXIT
if [ -d /sys/module/sfc ]; then
  modprobe --remove sfc
  [ -d /sys/module/sfc ] && give_up RemoveFailed "The kernel's own sfc driver cannot be removed; it stays in use"
fi
modprobe_staged sfc || give_up LoadFailed "The sfc driver of image $image does not load"
[ "$(driver_in_use)" = out-of-tree ] || give_up LoadFailed "The sfc driver in use is not that of image $image"
nics_served || give_up NicsLost "The sfc driver of image $image serves $(bound_nics) NICs of $(cat "$run_dir/nics")"
finish Replaced "The sfc driver of image $image is in use"
