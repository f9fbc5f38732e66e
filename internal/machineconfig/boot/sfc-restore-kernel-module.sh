#!/bin/bash
# Runs after sfc-replace-kernel-module.sh, however that ended: even killed in the middle, the node gets a driver.
# shellcheck source=SCRIPTDIR/sfc-boot-common.sh
. /usr/local/bin/sfc-boot-common.sh || exit 1

if ! ensure_driver; then
  set_outcome NoDriver
  report NoDriver "No sfc driver loads"
  exit 1
fi
[ "$(outcome)" = Interrupted ] || exit 0
read_digest
if [ "$(driver_in_use)" = out-of-tree ]; then
  set_outcome Replaced
  report Replaced "The sfc driver of image $image is in use"
else
  report Interrupted "The replacement was stopped before it had finished; the kernel's own driver is in use"
fi
