/** Processes that a container's runtime has before the container's own: real ones, of the runtimes that nodes have. */
import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../testcluster/lib/command.ts";
import { requirePackages } from "../testcluster/lib/debian.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { Looker } from "./look.ts";

setDefaultTimeout(300_000);

const RUNTIMES = ["runc", "crun"] as const;
const POD = crypto.randomUUID();
let folder: string;
let id: string;

beforeAll(() => requirePackages([...RUNTIMES, "busybox-static"]));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "onload-bundle-"));
  id = `onload-test-${crypto.randomUUID()}`;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A container as the kubelet has it made: in the control groups of its pod, with a file for its last words. */
function writeBundle(): void {
  const file = join(folder, `pods/${POD}/containers/app/1f2e3d4c`);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "");
  for (const name of ["bin", "dev", "proc"]) mkdirSync(join(folder, "rootfs", name), { recursive: true });
  copyFileSync("/bin/busybox", join(folder, "rootfs/bin/busybox"));
  const spec = {
    ociVersion: "1.0.2",
    process: { args: ["/bin/busybox", "sleep", "1000"], cwd: "/", user: { uid: 0, gid: 0 } },
    root: { path: "rootfs" },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev/termination-log", type: "bind", source: file, options: ["bind"] },
    ],
    linux: {
      cgroupsPath: `/kubepods/pod${POD}/${id.slice(-36).replaceAll("-", "").repeat(2)}`,
      namespaces: [{ type: "pid" }, { type: "mount" }],
    },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
}

/** crun refuses control groups of both versions beside each other, so it sees only the first, where there are both. */
const SEEING_ONE = ["unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"];

test.each(RUNTIMES)("a container that %s has made and not started has no process of its own", async (runtime) => {
  writeBundle();
  const looker = new Looker("/proc");
  const seen = async (): Promise<object> =>
    (await looker.look({ pods: [{ uid: POD, containers: ["app"] }] })).containers[0]!.processes;
  const act = (...args: string[]): string[] => [...SEEING_ONE, runtime, ...args];
  expect(await Bun.spawn(act("create", "--bundle", folder, id), { stdio: ["ignore", "ignore", "ignore"] }).exited).toBe(
    0,
  );
  try {
    expect(await seen()).toEqual({});
    await run(act("start", id));
    await poll(async () => "static" in (await seen()), { what: "The container's program", timeoutMs: 10_000 });
    expect(await seen()).toEqual({ static: 1 });
  } finally {
    await run(act("delete", "--force", id));
  }
});
