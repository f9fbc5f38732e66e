import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./lib/command.ts";
import { requirePackages } from "./lib/debian.ts";
import { cacheFolder } from "./lib/paths.ts";

const SUITE = "bookworm";

/** The name under which importDebianBase and debianBuilder leave their images in the local store of podman and buildah. */
const debianBaseImage = `localhost/onloadctl-debian:${SUITE}`;
const debianBuilderImage = `localhost/onloadctl-debian-builder:${SUITE}`;

// debootstrap uses its default mirror. flock(1) makes sure that two callers make one file. The rename makes the file
// appear completely or not at all.
const MAKE = `set -eu
[ -e "$OUT" ] && exit 0
work=$(mktemp -d "$OUT.XXXXXX")
trap 'rm -rf "$work"' EXIT
debootstrap --variant=minbase --include=kmod,ca-certificates "$SUITE" "$work/root" >&2
rm -rf "$work/root/var/cache/apt/archives" "$work/root/var/lib/apt/lists"
mkdir -p "$work/root/var/cache/apt/archives/partial" "$work/root/var/lib/apt/lists/partial"
tar -C "$work/root" --numeric-owner --exclude='./dev/*' --exclude='./var/cache/apt/*.bin' -cf "$work/root.tar" .
mv "$work/root.tar" "$OUT"`;

/**
 * Returns the path of a tar of a minimal Debian's root file system (about 130 MB, with kmod and ca-certificates).
 * Made by debootstrap the first time (about a minute; needs root and the network), then kept in the cache folder.
 */
export async function debianBase(signal?: AbortSignal): Promise<string> {
  await requirePackages(["podman", "debootstrap"]);
  const folder = join(cacheFolder, "debian");
  const out = join(folder, `${SUITE}-${process.arch}.tar`);
  await mkdir(folder, { recursive: true });
  if (!existsSync(out)) {
    await run(["flock", `${out}.lock`, "sh", "-c", MAKE], {
      env: { OUT: out, SUITE },
      ...(signal === undefined ? {} : { signal }),
    });
  }
  return out;
}

/** Makes sure that debianBaseImage is in the local store that podman and buildah share, and returns its name. */
export async function importDebianBase(signal?: AbortSignal): Promise<string> {
  await requirePackages(["podman"]);
  const options = signal === undefined ? {} : { signal };
  const present = await run(["podman", "image", "exists", debianBaseImage], { ...options, allowFailure: true });
  if (present.code !== 0) {
    await run(["podman", "import", "--quiet", await debianBase(signal), debianBaseImage], options);
  }
  return debianBaseImage;
}

/** What compiling Onload's userland and modules for Debian's own kernel needs beyond the base. */
const BUILDER_PACKAGES =
  "binutils gawk gcc g++ make sed bash kmod tar gzip libc6-dev libcap-dev libmnl-dev libpcap-dev " +
  "perl python3 python3-setuptools debianutils linux-headers-amd64";

/**
 * Makes sure that debianBuilderImage is in the local store and returns its name: compilers, Onload's build
 * requirements and the headers of Debian's newest kernel (about 600 MB, two minutes the first time).
 */
export async function debianBuilder(signal?: AbortSignal): Promise<string> {
  await requirePackages(["podman"]);
  const options = signal === undefined ? {} : { signal };
  const present = await run(["podman", "image", "exists", debianBuilderImage], { ...options, allowFailure: true });
  if (present.code !== 0) {
    const base = await importDebianBase(signal);
    const dockerfile = `FROM ${base}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${BUILDER_PACKAGES} \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
`;
    await run(["podman", "build", "--isolation=chroot", "--tag", debianBuilderImage, "-"], {
      input: dockerfile,
      ...options,
    });
  }
  return debianBuilderImage;
}

/** The kernel whose headers debianBuilderImage has, as `uname -r` would print it. */
export async function debianKernel(): Promise<string> {
  const root = (await run(["podman", "image", "mount", await debianBuilder()])).stdout.trim();
  try {
    const kernels = await readdir(join(root, "usr/lib/modules"));
    if (kernels.length !== 1) throw new Error(`Cannot choose a kernel: the builder has headers of ${kernels.length}`);
    return kernels[0]!;
  } finally {
    await run(["podman", "image", "unmount", debianBuilderImage]);
  }
}
