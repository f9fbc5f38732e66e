# shellcheck shell=bash
# Sourced by the entry scripts. Puts the pinned Bun (package.json, engines.bun) first in PATH, installing it from npm
# into the cache on the first use, and installs the locked dependencies. The cache is ~/.cache/onloadctl, or
# $ONLOADCTL_CACHE. Needs only bash and npm; leaves the working folder at the root of the checkout.
set -euo pipefail
if [ -n "${ONLOADCTL_CACHE:-}" ]; then
  mkdir -p "$ONLOADCTL_CACHE"
  ONLOADCTL_CACHE="$(cd "$ONLOADCTL_CACHE" && pwd)"
  export ONLOADCTL_CACHE
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

onloadctl_cache="${ONLOADCTL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/onloadctl}"
bun_version="$(sed -n 's/.*"bun": "\([0-9.]*\)".*/\1/p' package.json | head -n 1)"
bun_folder="$onloadctl_cache/bun-$bun_version"

# If there is no flock, as on macOS, do not start two first runs at the same time.
command -v flock >/dev/null || flock() { :; }

if [ ! -x "$bun_folder/node_modules/.bin/bun" ]; then
  if ! command -v npm >/dev/null; then
    echo "Cannot install Bun $bun_version: npm is missing; install Node.js with npm, for example: apt-get install npm" >&2
    exit 1
  fi
  echo "Installing Bun $bun_version into $bun_folder" >&2
  mkdir -p "$onloadctl_cache"
  # Two first runs at once install one after the other.
  (
    flock 9
    [ -x "$bun_folder/node_modules/.bin/bun" ] ||
      npm install --silent --no-audit --no-fund --prefix "$bun_folder" "bun@$bun_version" >&2
  ) 9>"$onloadctl_cache/bun.lock"
fi
export PATH="$bun_folder/node_modules/.bin:$PATH"

(
  flock 9
  bun install --frozen-lockfile --silent >&2
) 9>"$onloadctl_cache/install.lock"
