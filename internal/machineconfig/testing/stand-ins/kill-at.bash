# Read by bash before a script (BASH_ENV). Writes down each command that the script is about to run, in its subshells too,
# as FILE:LINE, and kills the whole process group before number KILL_AT (0: never): the power goes, or systemd kills the service.
set -o functrace
at_command() {
  local seen
  echo "${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}" >>/commands
  mapfile -t seen </commands
  # Both sides of a pipeline may have written in the meantime: the number may have been passed.
  if [ "$KILL_AT" -gt 0 ] && [ "${#seen[@]}" -ge "$KILL_AT" ]; then kill -KILL 0; fi
}
trap at_command DEBUG
