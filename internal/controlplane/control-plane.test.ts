import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../testcluster/lib/poll.ts";
import { createLogger } from "../cli/log.ts";
import { runControlPlane, type ControlPlaneConfig } from "./control-plane.ts";

const ID = "4f5c2b7be5b43cbf8d4c8f7f2a1f7c0e0f1d2c3b4a5968778695a4b3c2d1e0f9";
const OTHER = "a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";
const OURS = { path: "/usr/bin/crictl", params: `exec ${ID} /opt/onload/sbin/onload_cp_server -K` };
const DEFAULT = { path: "/sbin/onload_cp_server", params: "" };

let root: string;
let parameters: string;
let lines: string[];
let stop: AbortController;
let done: Promise<void>;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "onload-cp-"));
  parameters = join(root, "host/sys/module/onload/parameters");
  for (const path of ["host/sys/module", "host/dev", "dev", "proc/self", "node/usr/bin"]) {
    mkdirSync(join(root, path), { recursive: true });
  }
  writeFileSync(join(root, "node/usr/bin/crictl"), "");
  writeFileSync(join(root, "proc/self/cgroup"), `0::/kubepods/pod1/${ID}\n`);
  lines = [];
  stop = new AbortController();
  done = Promise.resolve();
});
afterEach(async () => {
  stop.abort();
  await done.catch(() => undefined);
  rmSync(root, { recursive: true });
});

function start(changes: Partial<ControlPlaneConfig> = {}): void {
  const config: ControlPlaneConfig = {
    serverPath: "/opt/onload/sbin/onload_cp_server",
    parameters: " -K ",
    containerId: undefined,
    crictlPath: undefined,
    hostRoot: join(root, "host"),
    kernelRoot: join(root, "node"),
    procDir: join(root, "proc"),
    devDir: join(root, "dev"),
    intervalMs: 5,
    ...changes,
  };
  done = runControlPlane(config, createLogger({ write: (line) => void lines.push(line) }), stop.signal);
}

function loadModule({ path, params } = DEFAULT): void {
  mkdirSync(parameters, { recursive: true });
  writeFileSync(join(parameters, "cplane_server_path"), path);
  writeFileSync(join(parameters, "cplane_server_params"), params);
}

const unloadModule = (): void => rmSync(join(root, "host/sys/module/onload"), { recursive: true });
const raw = (name: string): string => readFileSync(join(parameters, name), "utf8");
const read = () => ({ path: raw("cplane_server_path").trim(), params: raw("cplane_server_params").trim() });
const applied = (wanted = OURS) =>
  poll(() => Bun.deepEquals(read(), wanted), { what: "The parameters", timeoutMs: 5000, intervalMs: 5 });
const said = (text: string) =>
  poll(() => lines.some((line) => line.includes(text)), { what: text, timeoutMs: 5000, intervalMs: 5 });

describe("the module's parameters", () => {
  test("are set, and put back at the end", async () => {
    loadModule();
    start();
    await applied();
    stop.abort();
    await done;
    expect(read()).toEqual(DEFAULT);
    // An empty value must still be a write, or the kernel would keep the former one.
    expect(raw("cplane_server_params")).toBe("\n");
  });

  test("are set once the module comes, and after each reload", async () => {
    start();
    await said("Waiting for the onload kernel module");
    for (let load = 0; load < 3; load++) {
      loadModule();
      await applied();
      unloadModule();
    }
    stop.abort();
    await done;
    expect(existsSync(parameters)).toBe(false);
  });

  test("are set again when somebody changes them", async () => {
    loadModule();
    start();
    await applied();
    loadModule({ path: "/sbin/onload_cp_server", params: "-D" });
    await applied();
    stop.abort();
    await done;
    expect(read()).toEqual(DEFAULT);
  });

  test("are not written again while they are the same but for spaces, as the kernel prints them", async () => {
    loadModule({ path: `${OURS.path}\n`, params: `${OURS.params} \n` });
    start();
    // Each device is linked in a look of its own, so the first one is over when the second device is there.
    for (const name of ["onload", "sfc_char"]) {
      symlinkSync("/dev/null", join(root, "host/dev", name));
      await poll(() => existsSync(join(root, "dev", name)), { what: "The link", timeoutMs: 5000, intervalMs: 5 });
    }
    expect(raw("cplane_server_params")).toBe(`${OURS.params} \n`);
  });

  test("that a killed predecessor left are not what comes back", async () => {
    loadModule({ path: "/usr/bin/crictl", params: `exec ${OTHER} /opt/onload/sbin/onload_cp_server -K` });
    start();
    await applied();
    stop.abort();
    await done;
    expect(read()).toEqual({ path: "", params: "" });
  });

  test("of a successor are left alone at the end", async () => {
    loadModule();
    start();
    await applied();
    const successor = { path: "/usr/bin/crictl", params: `exec ${OTHER} /opt/onload/sbin/onload_cp_server` };
    stop.abort();
    loadModule(successor);
    await done;
    expect(read()).toEqual(successor);
  });

  test("are put back at the end after a look that failed, although crictl is gone since", async () => {
    loadModule();
    start();
    await applied();
    // A folder in the place of the file, which cannot be read or written.
    const path = join(parameters, "cplane_server_path");
    rmSync(path);
    mkdirSync(path);
    rmSync(join(root, "node/usr/bin/crictl"));
    await said("Cannot read the onload module's parameter cplane_server_path: illegal operation on a directory");
    rmSync(path, { recursive: true });
    writeFileSync(path, OURS.path);
    await said("the node has no crictl");
    stop.abort();
    await done;
    expect(read()).toEqual(DEFAULT);
  });

  test("of which only one could be written are put back too", async () => {
    loadModule();
    // The kernel lets this file be read, and refuses every write.
    rmSync(join(parameters, "cplane_server_path"));
    symlinkSync("/proc/version", join(parameters, "cplane_server_path"));
    start();
    await said("Cannot set the onload module's parameter cplane_server_path: i/o error");
    expect(raw("cplane_server_params").trim()).toBe(OURS.params);
    stop.abort();
    await expect(done).rejects.toThrow("Cannot set the onload module's parameter cplane_server_path");
    expect(raw("cplane_server_params")).toBe("\n");
  });

  test("are as the flags say", async () => {
    writeFileSync(join(root, "node/crictl"), "");
    loadModule();
    start({ containerId: OTHER, crictlPath: "/crictl", serverPath: "/cp", parameters: "-K  --ipadd\t4" });
    await applied({ path: "/crictl", params: `exec ${OTHER} /cp -K --ipadd 4` });
  });
});

describe("crictl", () => {
  test("is found where a distribution links it to another file of the node", async () => {
    rmSync(join(root, "node/usr/bin/crictl"));
    mkdirSync(join(root, "node/usr/local/bin"), { recursive: true });
    writeFileSync(join(root, "node/usr/local/bin/k3s"), "");
    symlinkSync("/usr/local/bin/k3s", join(root, "node/usr/local/bin/crictl"));
    loadModule();
    start();
    await applied({ ...OURS, path: "/usr/local/bin/crictl" });
  });

  test("that is missing leaves the module alone, says what to do, and is used when it comes", async () => {
    rmSync(join(root, "node/usr/bin/crictl"));
    loadModule();
    start();
    await said("the node has no crictl at /usr/bin/crictl");
    await said("install cri-tools on the node, or give --crictl-path");
    expect(read()).toEqual(DEFAULT);
    writeFileSync(join(root, "node/usr/bin/crictl"), "");
    await applied();
    expect(lines.filter((line) => line.includes("no crictl"))).toHaveLength(1);
  });
});

describe("device files in the container", () => {
  test("follow those of the node, instead of the copies from its start", async () => {
    writeFileSync(join(root, "dev/onload"), "a copy with an old number");
    start();
    await said("Waiting for the onload kernel module");
    expect(lstatSync(join(root, "dev/onload")).isFile()).toBe(true);
    for (const name of ["onload", "onload_epoll", "sfc_char"]) symlinkSync("/dev/null", join(root, "host/dev", name));
    await said("Linked the node's devices into the container");
    for (const name of ["onload", "onload_epoll", "sfc_char"]) {
      expect(readlinkSync(join(root, "dev", name))).toBe(join(root, "host/dev", name));
    }
  });

  test("are left alone where they are the node's own", async () => {
    loadModule();
    writeFileSync(join(root, "host/dev/onload"), "the node's");
    start({ devDir: join(root, "host/dev") });
    await applied();
    expect(readFileSync(join(root, "host/dev/onload"), "utf8")).toBe("the node's");
  });
});
