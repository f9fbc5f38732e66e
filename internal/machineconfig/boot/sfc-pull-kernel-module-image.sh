#!/bin/bash
# Pulls the Onload module image for the running kernel once the network is up, and reboots, at most once for an image,
# if the driver could not be replaced at this boot only because the image, or a sound copy of it, was not there yet.
#
# Exit codes: 0 done, 1 a failure that trying again does not mend. systemd restarts the script after any other end.
# shellcheck source=SCRIPTDIR/sfc-boot-common.sh
. /usr/local/bin/sfc-boot-common.sh || exit 1

authfile=/var/lib/kubelet/config.json
first_delay=10
longest_delay=600
pulled=

pull() {
  if [ -e "$authfile" ]; then
    podman pull --quiet --authfile "$authfile" "$image"
  else
    podman pull --quiet "$image"
  fi
}

# Tries until it succeeds: the node runs on the kernel's own driver meanwhile.
pull_until_done() {
  local delay=$first_delay error
  pulled=1
  while true; do
    report Pulling "Pulling image $image"
    error=$(pull 2>&1 >/dev/null) && break
    report PullFailed "Cannot pull image $image: ${error##*$'\n'}; next try in $delay s"
    sleep "$delay"
    delay=$((delay * 2 < longest_delay ? delay * 2 : longest_delay))
  done
  # A power cut must not leave an image that is there by name and damaged inside.
  sync --file-system /var/lib/containers
}

# A container that never runs holds the image: the kubelet's garbage collection does not delete images that have one.
hold_image() {
  podman create --replace --name onload-sfc-module-image --network none --entrypoint /bin/sh "$image" >/dev/null ||
    log "Cannot hold image $image: the kubelet may delete it when disk space is short"
}

# Whether a reboot for this image was asked for at an earlier boot; one asked for at this boot has not happened yet.
# A file that cannot be read counts as one: better no reboot than a loop.
reboot_spent() {
  local spent at
  reboots=
  [ -e "$reboots_file" ] || return 1
  reboots=$(cat "$reboots_file") || return 0
  while read -r spent at; do
    [ "$spent" = "$digest" ] && [ "$at" != "$boot_id" ] && return 0
  done <<<"$reboots"
  return 1
}

count_reboot() {
  printf '%s\n' "$reboots" "$digest $boot_id" | grep . | sort -u | write_file "$reboots_file"
}

give_up() {
  report "$1" "$2"
  exit 1
}

worth_a_reboot=
case $(outcome) in
ImageAbsent) worth_a_reboot=1 ;;
StageFailed | KernelNotInImage | ModuleUnusable | VermagicMismatch)
  # Refused before the driver was touched: a power cut may have damaged it, or its tag names a corrected image by now.
  log "Image $image on this node is of no use: pulling it anew"
  podman rmi --force "$image" >/dev/null
  worth_a_reboot=1
  ;;
esac
podman image exists "$image" || pull_until_done
read_digest
hold_image

if [ -z "$worth_a_reboot" ]; then
  if [ "$(outcome)" = Replaced ]; then
    report Replaced "The sfc driver of image $image is in use"
  elif [ -n "$pulled" ]; then
    report NotReplaced "Image $image is on this node; the driver was not replaced at this boot"
  fi
  exit 0
fi

[ -n "$digest" ] || give_up NoDigest "Image $image has no digest, so that its reboots cannot be counted; reboot by hand"
stage_modules || give_up "$problem" "$detail"
check_modules || give_up "$problem" "$detail"
reboot_spent && give_up RebootBudgetSpent \
  "Image $image has had its one reboot; reboot by hand, or delete its line in $reboots_file and restart this service"
count_reboot || give_up RebootNotCounted "Cannot write $reboots_file; without the count there is no reboot"
report RebootPending "Image $image is on this node; rebooting once to load its sfc driver before the network comes up"
systemctl reboot || exit 2
