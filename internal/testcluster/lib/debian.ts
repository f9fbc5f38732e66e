import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./paths.ts";
import { run } from "./command.ts";
import { withLock } from "./lock.ts";
import { progress } from "./progress.ts";

/** A file that shows that a Debian package is installed. */
const marks = {
  openssl: "/usr/bin/openssl",
  containerd: "/usr/bin/containerd",
  runc: "/usr/sbin/runc",
  crun: "/usr/bin/crun",
  "containernetworking-plugins": "/usr/lib/cni/bridge",
  iptables: "/usr/sbin/iptables",
  iproute2: "/usr/bin/ip",
  "busybox-static": "/usr/bin/busybox",
  buildah: "/usr/bin/buildah",
  podman: "/usr/bin/podman",
  debootstrap: "/usr/sbin/debootstrap",
  "docker-registry": "/usr/bin/docker-registry",
  gcc: "/usr/bin/gcc",
  "libc6-dev": "/usr/include/stdio.h",
  "musl-tools": "/usr/bin/musl-gcc",
  kmod: "/usr/sbin/modinfo",
  prometheus: "/usr/bin/promtool",
  shellcheck: "/usr/bin/shellcheck",
  systemd: "/usr/bin/systemd-analyze",
  zsh: "/usr/bin/zsh",
  fish: "/usr/bin/fish",
  mandoc: "/usr/bin/mandoc",
  minisign: "/usr/bin/minisign",
  skopeo: "/usr/bin/skopeo",
  curl: "/usr/bin/curl",
  "qemu-user": "/usr/bin/qemu-x86_64",
} as const;

/** A Debian package that the test cluster needs. */
export type DebianPackage = keyof typeof marks;

/**
 * Makes sure that Debian packages are installed: as root it installs what is missing, else it throws one line that names
 * them.
 */
export async function requirePackages(names: readonly DebianPackage[]): Promise<void> {
  const missing = (): DebianPackage[] =>
    names.filter((name) => !existsSync(marks[name]) && !existsSync(marks[name].replace("/usr/bin/", "/usr/sbin/")));
  if (missing().length === 0) return;
  const remedy = `apt-get install ${missing().join(" ")}`;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    throw new Error(`Cannot start the test cluster: Debian packages are missing; run: ${remedy}`);
  }
  await withLock(join(cacheFolder, "apt.lock"), async () => {
    const left = missing();
    if (left.length === 0) return;
    progress(`Installing ${left.join(" ")}`);
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    // A run that was killed while it installed leaves packages half configured, and apt-get then refuses everything.
    await run(["dpkg", "--configure", "-a"], { env });
    await run(["apt-get", "update", "-q"], { env });
    await run(["apt-get", "install", "-y", "-q", "--no-install-recommends", ...left], { env });
  });
}
