import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { poll } from "../testcluster/lib/poll.ts";
import { createLogger } from "../cli/log.ts";
import { runControlPlane, type ControlPlaneConfig } from "./control-plane.ts";
import { FakeNode, ID, OTHER } from "./testing/fake-node.ts";

const ENDPOINT = "unix:///run/containerd/containerd.sock";
const FLAGS = `--runtime-endpoint=${ENDPOINT} --image-endpoint=${ENDPOINT}`;
const OURS = { path: "/usr/bin/crictl", params: `${FLAGS} exec ${ID} /opt/onload/sbin/onload_cp_server -K` };
const DEFAULT = { path: "/sbin/onload_cp_server", params: "" };

let node: FakeNode;
let root: string;
let parameters: string;
let lines: string[];
let stop: AbortController;
let done: Promise<void>;
beforeEach(async () => {
  node = new FakeNode();
  node.addCrictl();
  await node.addRuntime();
  root = node.root;
  parameters = join(root, "host/sys/module/onload/parameters");
  lines = [];
  stop = new AbortController();
  done = Promise.resolve();
});
afterEach(async () => {
  stop.abort();
  await done.catch(() => undefined);
  await node.dispose();
});

function start(changes: Partial<ControlPlaneConfig> = {}): void {
  const log = createLogger({ write: (line) => void lines.push(line) });
  done = runControlPlane(node.config(changes), log, stop.signal);
  // Each test that expects an end looks at it itself.
  done.catch(() => undefined);
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

  test("are put back at the end after a look that failed", async () => {
    loadModule();
    start();
    await applied();
    // A folder in the place of the file, which cannot be read or written.
    const path = join(parameters, "cplane_server_path");
    rmSync(path);
    mkdirSync(path);
    await said("Cannot read the onload module's parameter cplane_server_path: it is a folder");
    rmSync(path, { recursive: true });
    writeFileSync(path, OURS.path);
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
    node.addProgram("/srv/crictl", "exit 0");
    loadModule();
    const given = { containerId: OTHER, crictlPath: "/srv/crictl", runtimeEndpoint: "unix:///x.sock" };
    start({ ...given, serverPath: "/cp", parameters: "-K  --ipadd\t4" });
    const flags = "--runtime-endpoint=unix:///x.sock --image-endpoint=unix:///x.sock";
    await applied({ path: "/srv/crictl", params: `${flags} exec ${OTHER} /cp -K --ipadd 4` });
  });
});

describe("a server that the kernel cannot start", () => {
  const KEPT = { path: "/usr/sbin/onload_cp_server", params: "-D" };

  test("ends the program with the reason in the pod's status, and leaves the module alone", async () => {
    node.remove("node/usr/bin/crictl");
    loadModule(KEPT);
    start();
    await expect(done).rejects.toThrow("the node has no crictl at /usr/bin/crictl");
    expect(node.read("dev/termination-log")).toBe(
      "Cannot let the kernel start onload_cp_server: the node has no crictl at /usr/bin/crictl, /usr/local/bin/crictl, " +
        "/usr/sbin/crictl, /opt/bin/crictl: install cri-tools on the node, or set spec.onload.controlPlane.crictlPath",
    );
    expect(read()).toEqual(KEPT);
  });

  test("takes away what a killed predecessor left, which looks as if it could be started", async () => {
    node.remove("node/run/containerd");
    loadModule({ path: "/usr/bin/crictl", params: `${FLAGS} exec ${OTHER} /opt/onload/sbin/onload_cp_server -K` });
    start();
    await expect(done).rejects.toThrow("no crictl of this node can start it in this container");
    expect(read()).toEqual({ path: "", params: "" });
  });

  test("is what is told, although the module cannot be read either", async () => {
    node.remove("node/usr/bin/crictl");
    loadModule();
    rmSync(join(parameters, "cplane_server_path"));
    mkdirSync(join(parameters, "cplane_server_path"));
    start();
    await expect(done).rejects.toThrow("the node has no crictl");
    await said("Cannot read the onload module's parameter cplane_server_path");
  });

  test("ends the program too where there is no file for the status, and writes through no link", async () => {
    node.remove("node/usr/bin/crictl");
    node.remove("dev/termination-log");
    start();
    await expect(done).rejects.toThrow("the node has no crictl");
    expect(existsSync(join(root, "dev/termination-log"))).toBe(false);
    node.write("precious", "kept");
    symlinkSync("../precious", join(root, "dev/termination-log"));
    start();
    await expect(done).rejects.toThrow("the node has no crictl");
    expect(node.read("precious")).toBe("kept");
  });

  test("is set as soon as it can be started", async () => {
    node.remove("node/usr/bin/crictl");
    loadModule();
    start({ patienceMs: 60_000 });
    await said("the node has no crictl at /usr/bin/crictl");
    expect(read()).toEqual(DEFAULT);
    node.addCrictl();
    await applied();
    expect(lines.filter((line) => line.includes("no crictl"))).toHaveLength(1);
  });

  test("is no reason to say anything when the program is stopped meanwhile", async () => {
    node.remove("node/usr/bin/crictl");
    start({ patienceMs: 60_000 });
    await said("the node has no crictl at /usr/bin/crictl");
    stop.abort();
    await done;
    expect(node.read("dev/termination-log")).toBe("");
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
