/**
 * A container with a user namespace of its own (hostUsers: false) that is given what the plugin answers, by the runtimes
 * that nodes have. The kubelet asks containerd 2.0 for one, which Debian lacks; runc and crun are what makes it.
 */
import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../testcluster/lib/command.ts";
import { requirePackages } from "../testcluster/lib/debian.ts";
import { allocateResponse, containerEdits } from "./allocation.ts";

setDefaultTimeout(300_000);

const RUNTIMES = ["runc", "crun"] as const;
/** What this machine calls the first user of the namespace. */
const FIRST_ID = 262_144;
const USER = 1001;
let folder: string;

beforeAll(() => requirePackages([...RUNTIMES, "busybox-static"]));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "onload-userns-"));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SCRIPT = `
busybox cat /proc/self/uid_map
for device in "$@"; do (: <>"$device") && echo "opens $device"; done
busybox cat "$LD_PRELOAD"
(: >>"$LD_PRELOAD") 2>/dev/null || echo "read-only"
busybox mknod /tmp/device c 1 3 2>/dev/null || echo "makes no device"
`;

/** Writes the bundle of a container that is given the answer; gives its device files. */
async function writeBundle(): Promise<string[]> {
  const file = join(folder, "onload/9.2.0/libonload.so");
  for (const path of ["onload/9.2.0", "rootfs/bin", "rootfs/dev", "rootfs/proc", "rootfs/tmp"]) {
    mkdirSync(join(folder, path), { recursive: true });
  }
  writeFileSync(file, "the library\n", { mode: 0o644 });
  for (const name of ["busybox", "sh"]) copyFileSync("/bin/busybox", join(folder, "rootfs/bin", name));
  // The container's root makes the places of mounts there.
  await run(["chown", "-R", `${FIRST_ID}:${FIRST_ID}`, join(folder, "rootfs")]);
  const config = {
    strategy: "device-plugin",
    hostOnloadPath: join(folder, "onload"),
    baseMountPath: "/opt/onload",
    binMountPath: "/usr/bin",
    libMountPath: "/usr/lib64",
    setPreload: true,
    mountOnload: false,
  };
  const installation = { folder: "9.2.0", libraries: new Map([["libonload.so", "libonload.so"]]) };
  const given = allocateResponse(config as never, containerEdits(config as never, installation as never));
  const devices = given.devices.map(({ containerPath }) => containerPath);
  const mapping = [{ containerID: 0, hostID: FIRST_ID, size: 65_536 }];
  const character = { type: "c", major: 1, minor: 3 };
  const spec = {
    ociVersion: "1.0.2",
    process: {
      args: ["/bin/sh", "-c", SCRIPT, "sh", ...devices],
      cwd: "/",
      env: ["PATH=/bin", ...Object.entries(given.envs).map(([name, value]) => `${name}=${value}`)],
      user: { uid: USER, gid: USER },
      noNewPrivileges: true,
    },
    root: { path: "rootfs" },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
      ...given.mounts.map(({ hostPath, containerPath, readOnly }) => ({
        destination: containerPath,
        type: "bind",
        source: hostPath,
        options: ["rbind", readOnly ? "ro" : "rw"],
      })),
    ],
    linux: {
      namespaces: ["pid", "mount", "user"].map((type) => ({ type })),
      uidMappings: mapping,
      gidMappings: mapping,
      devices: devices.map((path) => ({ path, ...character, fileMode: 0o666, uid: 0, gid: 0 })),
      resources: {
        devices: [
          { allow: false, access: "rwm" },
          ...given.devices.map(({ permissions }) => ({ allow: true, access: permissions, ...character })),
        ],
      },
    },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
  return devices;
}

/**
 * A /dev with the device files of a node that has Onload, and the control groups of the first version alone, where there
 * are both: crun refuses them beside each other. crun 1.8 takes its caller's umask from the modes of device files.
 */
const AS_ON_NODE = `
umount /sys/fs/cgroup/unified 2>/dev/null
keep=$(mktemp -d) && chmod 755 "$keep" && cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$keep"
mount -t tmpfs -o mode=755 tmpfs /dev && cp -a "$keep"/. /dev && rm -r "$keep"
for device in $DEVICES; do mknod -m 666 "$device" c 1 3; done
umask 0
exec "$@"`;

test.each(RUNTIMES)("a container that %s makes so opens Onload's device files and has its library", async (runtime) => {
  const devices = await writeBundle();
  const id = `onload-test-${crypto.randomUUID()}`;
  const command = ["unshare", "--mount", "sh", "-c", AS_ON_NODE, "sh", runtime, "run", "--bundle", folder, id];
  const { stdout } = await run(command, { env: { DEVICES: devices.join(" ") } });
  expect(stdout.split("\n").map((line) => line.trim().replaceAll(/\s+/g, " "))).toEqual([
    `0 ${FIRST_ID} 65536`,
    ...devices.map((path) => `opens ${path}`),
    "the library",
    "read-only",
    "makes no device",
    "",
  ]);
  expect(devices).toContain("/dev/onload");
});
