#!/bin/bash
# Shared by the scripts that put the Onload module image's sfc driver in place of the kernel's own; sourced, never run.
#
# Kept over reboots:
#   /var/lib/onload/sfc-boot-status.json  the last outcome, for people and for the device plugin
#   /var/lib/onload/sfc-boot-reboots      a line "DIGEST BOOT_ID" for every reboot asked for
# Gone with each reboot:
#   /run/onload-sfc-boot/outcome          what the replacement at this boot came to (one word)
#   /run/onload-sfc-boot/nics             how many NICs the kernel's own driver served; written before it is removed
#   /run/onload-sfc-boot/stage            the image's modules, laid out for modprobe --dirname
# shellcheck disable=SC2034 # the scripts that source this use the variables
set -u

state_dir=/var/lib/onload
run_dir=/run/onload-sfc-boot
status_file=$state_dir/sfc-boot-status.json
reboots_file=$state_dir/sfc-boot-reboots
stage=$run_dir/stage

# Where older versions of bash keep here-documents; /tmp may not be writable this early. Not exported: podman unpacks
# images elsewhere.
TMPDIR=/run

kernel=$(uname -r)
boot_id=$(cat /proc/sys/kernel/random/boot_id)
# As in KMM 2.1.1 and later: the variable is filled in here, on the node. A trailing "+" of the kernel's version is cut, and
# every other character that a tag cannot hold becomes "_", such as the "+" of 5.14.0-427.el9_4.x86_64+rt.
kernel_tag=${kernel%+}
kernel_tag=${kernel_tag//[!abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-]/_}
# shellcheck disable=SC2016 # the variable's name is meant, not its value
image=${ONLOAD_MODULE_IMAGE//'${KERNEL_FULL_VERSION}'/$kernel_tag}
digest=

log() {
  echo "$*" >&2
}

# write_file FILE: replaces FILE by standard input, whole or not at all, even when the power goes.
write_file() {
  local folder=${1%/*}
  mkdir -p "$folder" && cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "$folder"
}

json_string() {
  local text=${1//[[:cntrl:]]/ }
  text=${text//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# report REASON MESSAGE: to the journal and into the status file. Never stops the caller: the driver comes first.
report() {
  log "$1: $2"
  write_file "$status_file" <<STATUS || log "Cannot write $status_file"
{
  "schema": 1,
  "reason": $(json_string "$1"),
  "message": $(json_string "$2"),
  "driver": $(json_string "$(driver_in_use)"),
  "image": $(json_string "$image"),
  "digest": $(json_string "$digest"),
  "kernel": $(json_string "$kernel"),
  "bootId": $(json_string "$boot_id"),
  "time": $(json_string "$(date -u +%Y-%m-%dT%H:%M:%SZ)")
}
STATUS
}

# What the replacement came to at this boot; empty before it has started.
outcome() {
  cat "$run_dir/outcome" 2>/dev/null
}

set_outcome() {
  echo "$1" | write_file "$run_dir/outcome"
}

modprobe_staged() {
  modprobe --dirname "$stage" --set-version "$kernel" "$@"
}

# srcversion identifies the source of a module; the kernel shows the loaded one's.
staged_srcversion() {
  modinfo -b "$stage" -k "$kernel" -F srcversion sfc 2>/dev/null
}

driver_in_use() {
  local staged loaded
  if [ ! -d /sys/module/sfc ]; then
    echo none
    return
  fi
  staged=$(staged_srcversion)
  loaded=$(cat /sys/module/sfc/srcversion 2>/dev/null)
  if [ -n "$staged" ] && [ "$staged" = "$loaded" ]; then echo out-of-tree; else echo in-tree; fi
}

bound_nics() {
  local nics=(/sys/bus/pci/drivers/sfc/*:*)
  if [ -e "${nics[0]}" ]; then echo "${#nics[@]}"; else echo 0; fi
}

# Whether a driver is loaded that serves every NIC that was served before the replacement.
nics_served() {
  local before
  read -r before <"$run_dir/nics"
  [ -d /sys/module/sfc ] && [ "$(bound_nics)" -ge "${before:-0}" ]
}

# If the kernel's own driver was touched, loads it again unless a driver serves the NICs: a node never stays without.
ensure_driver() {
  if [ ! -e "$run_dir/nics" ] || nics_served; then return 0; fi
  if [ "$(driver_in_use)" = out-of-tree ]; then
    modprobe_staged --remove sfc
  fi
  if [ ! -d /sys/module/sfc ]; then
    log "Loading the kernel's own sfc driver"
    modprobe sfc
  fi
  [ -d /sys/module/sfc ]
}

# Sets `digest` to that of the image on this node.
read_digest() {
  digest=$(podman image inspect --format '{{.Digest}}' "$image" 2>/dev/null)
}

# Why stage_modules or check_modules refused the image.
problem=
detail=

refuse() {
  # What is not going to be loaded must not be taken for the driver in use.
  rm -rf "$stage"
  problem=$1
  detail=$2
  return 1
}

# Copies the image's modules for this kernel out of the image, so that loading them needs neither a container nor, at
# this early hour, a network.
stage_modules() {
  local mounted modules entry target=$stage/lib/modules/$kernel
  rm -rf "$stage"
  mkdir -p "$target" || refuse StageFailed "Cannot create $target" || return
  mounted=$(podman image mount "$image") || refuse StageFailed "Cannot mount image $image" || return
  modules=$mounted/opt/lib/modules/$kernel
  if [ -d "$modules" ]; then
    for entry in "$modules"/*; do
      # The image's link to, or copy of, the kernel's own modules gives way to those of this node.
      [ "${entry##*/}" = kernel ] || cp -a "$entry" "$target/" || problem=StageFailed
    done
  else
    problem=KernelNotInImage
  fi
  podman image unmount "$image" >/dev/null
  case $problem in
  StageFailed) refuse StageFailed "Cannot copy the modules of image $image to $target" || return ;;
  KernelNotInImage) refuse KernelNotInImage "Image $image has no modules for kernel $kernel" || return ;;
  esac
  ln -s "/lib/modules/$kernel/kernel" "$target/kernel"
  # Under SELinux, modules are loaded only from files labelled as modules.
  chcon -R --reference="/lib/modules/$kernel" "$target" 2>/dev/null
  return 0
}

# Checks, before anything is removed, that the kernel will take the staged sfc and all that it depends on.
check_modules() {
  local list action path reference magic own=0
  list=$(modprobe_staged --show-depends sfc) ||
    refuse ModuleUnusable "Image $image has no complete sfc driver for kernel $kernel" || return
  reference=$(modinfo -k "$kernel" -F vermagic sfc 2>/dev/null)
  while read -r action path _; do
    [ "$action" = insmod ] || continue
    [ -e "$path" ] || refuse ModuleUnusable "Module $path is missing" || return
    # Modules of the node itself need no check.
    case $path in "$stage/lib/modules/$kernel/kernel/"*) continue ;; esac
    case ${path##*/} in sfc.ko*) own=1 ;; esac
    magic=$(modinfo -F vermagic "$path")
    if [ "${magic%% *}" != "$kernel" ] || { [ -n "$reference" ] && [ "${magic% }" != "${reference% }" ]; }; then
      refuse VermagicMismatch "${path##*/} of image $image is for \"${magic% }\", this kernel is \"${reference:-$kernel}\"" || return
    fi
  done <<<"$list"
  [ "$own" = 1 ] || refuse ModuleUnusable "Image $image has no sfc driver of its own for kernel $kernel" || return
  [ -n "$(staged_srcversion)" ] || refuse ModuleUnusable "The sfc driver of image $image has no srcversion" || return
}
