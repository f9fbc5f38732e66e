import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createLogger } from "../cli/log.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { findServer, type SearchConfig } from "./find-server.ts";
import { statOnNode } from "./node-path.ts";
import { FakeNode, ID } from "./testing/fake-node.ts";

let node: FakeNode;
let lines: string[];
const stop = (): AbortSignal => new AbortController().signal;
beforeEach(() => {
  node = new FakeNode();
  lines = [];
});
afterEach(() => node.dispose());

const find = (changes: Partial<SearchConfig> = {}, signal = stop()) =>
  findServer(node.config(changes), createLogger({ write: (line) => void lines.push(line) }), signal);
const server = (path: string, socket: string) => ({
  path,
  params: `--runtime-endpoint=unix://${socket} --image-endpoint=unix://${socket} exec ${ID} /opt/onload/sbin/onload_cp_server -K`,
});

describe("crictl and endpoint are found on", () => {
  const rows: Record<string, { crictl?: string; socket: string }> = {
    "a node with containerd": { socket: "/run/containerd/containerd.sock" },
    "a node with cri-o": { socket: "/run/crio/crio.sock" },
    "a k3s node that has a distribution's crictl": { socket: "/run/k3s/containerd/containerd.sock" },
    "a k3s node without links": {
      crictl: "/var/lib/rancher/k3s/data/current/bin/crictl",
      socket: "/run/k3s/containerd/containerd.sock",
    },
    "a node of MicroK8s": {
      crictl: "/snap/microk8s/current/bin/crictl",
      socket: "/var/snap/microk8s/common/run/containerd.sock",
    },
    "a k0s node": { crictl: "/usr/local/bin/crictl", socket: "/run/k0s/containerd.sock" },
    "an RKE2 node": { crictl: "/var/lib/rancher/rke2/bin/crictl", socket: "/run/k3s/containerd/containerd.sock" },
  };
  for (const [name, { crictl = "/usr/bin/crictl", socket }] of Object.entries(rows)) {
    test(name, async () => {
      node.addCrictl(crictl);
      await node.addRuntime(socket);
      expect(await find()).toEqual(server(crictl, socket));
      expect(lines.join()).toContain("Version: 9.2.0");
    });
  }

  test("a k3s node, whose crictl is a link to k3s", async () => {
    node.addCrictl("/usr/local/bin/k3s");
    node.addLink("/usr/local/bin/crictl", "k3s");
    await node.addRuntime("/run/k3s/containerd/containerd.sock");
    expect(await find()).toEqual(server("/usr/local/bin/crictl", "/run/k3s/containerd/containerd.sock"));
  });

  test("a node whose first crictl does not work", async () => {
    node.addProgram("/usr/bin/crictl", 'echo "crictl: cannot execute binary file"; exit 126');
    node.addCrictl("/opt/bin/crictl");
    await node.addRuntime();
    expect(await find()).toEqual(server("/opt/bin/crictl", "/run/containerd/containerd.sock"));
  });

  test("a node with two runtimes, of which one runs this container", async () => {
    node.addCrictl();
    await node.addRuntime("/run/containerd/containerd.sock");
    await node.addRuntime("/run/crio/crio.sock");
    // What containerd says of a container that is cri-o's.
    node.addProgram(
      "/usr/bin/crictl",
      'case $1 in *crio*) exit 0 ;; esac; echo "level=fatal msg=\\"container \\"x\\": not found\\"" >&2; exit 1',
    );
    expect(await find()).toEqual(server("/usr/bin/crictl", "/run/crio/crio.sock"));
  });

  test("a node with its socket in an unusual place, of which this container's shim tells", async () => {
    node.addCrictl();
    await node.addRuntime("/srv/cd/containerd.sock");
    node.write("proc/self/status", "Name:\tonloadctl\nPid:\t4242\nPPid:\t4141\n");
    const words = ["/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "x", "-address"];
    node.write("proc/4141/cmdline", [...words, "/srv/cd/containerd.sock", ""].join("\0"));
    expect(await find()).toEqual(server("/usr/bin/crictl", "/srv/cd/containerd.sock"));
  });

  test("a node that only crictl's own settings lead to", async () => {
    node.addCrictl();
    await node.addRuntime("/srv/cd/containerd.sock");
    node.write("node/etc/crictl.endpoint", "unix:///srv/cd/containerd.sock");
    expect(await find()).toEqual({
      path: "/usr/bin/crictl",
      params: `exec ${ID} /opt/onload/sbin/onload_cp_server -K`,
    });
  });

  test("a node whose crictl has settings for another runtime", async () => {
    node.addCrictl();
    await node.addRuntime("/run/k3s/containerd/containerd.sock");
    for (const name of ["endpoint", "image-endpoint"]) {
      node.write(`node/etc/crictl.${name}`, "unix:///run/containerd/containerd.sock");
    }
    expect(await find()).toEqual(server("/usr/bin/crictl", "/run/k3s/containerd/containerd.sock"));
  });
});

describe("what the resource names", () => {
  test("is all that is tried", async () => {
    node.addCrictl();
    node.addCrictl("/srv/bin/crictl");
    await node.addRuntime();
    await node.addRuntime("/srv/runtime.sock");
    const changes = { crictlPath: "/srv/bin/crictl", runtimeEndpoint: "unix:///srv/runtime.sock" };
    expect(await find(changes)).toEqual(server("/srv/bin/crictl", "/srv/runtime.sock"));
    expect(node.tried).toHaveLength(1);
  });

  test("and does not work is named", async () => {
    node.addCrictl();
    await node.addRuntime();
    await expect(find({ runtimeEndpoint: "unix:///srv/runtime.sock" })).rejects.toThrow(
      "no crictl of this node can start it in this container: correct spec.onload.controlPlane.runtimeEndpoint; tried /usr/bin/crictl with unix:///srv/runtime.sock: ",
    );
    await expect(find({ crictlPath: "/srv/crictl" })).rejects.toThrow(
      "the node has no crictl at /srv/crictl: install cri-tools on the node, or correct spec.onload.controlPlane.crictlPath",
    );
  });
});

describe("if nothing works", () => {
  test("the error has the field to set and crictl's own last words, in a length that a status takes", async () => {
    node.addCrictl("/var/lib/rancher/rke2/bin/crictl");
    const error = (await find().catch((thrown: unknown) => thrown)) as Error;
    expect(error.message).toContain("set spec.onload.controlPlane.runtimeEndpoint, and crictlPath if need be; tried");
    expect(error.message).toContain("/var/lib/rancher/rke2/bin/crictl with its own settings: ...");
    expect(error.message).toContain("dial unix /var/run/cri-dockerd.sock: connect: no such file or directory");
    expect(error.message.length).toBeLessThan(500);
  });

  test("it is tried again, and found when the runtime is back", async () => {
    node.addCrictl();
    const found = find({ patienceMs: 60_000 });
    await poll(() => lines.length > 0, { what: "The first failure in the log", timeoutMs: 5000, intervalMs: 5 });
    await node.addRuntime();
    expect(await found).toEqual(server("/usr/bin/crictl", "/run/containerd/containerd.sock"));
    expect(lines.filter((line) => line.includes("Cannot let the kernel start"))).toHaveLength(1);
  });

  test("a stop ends it at once, even while a crictl hangs", async () => {
    node.addProgram("/usr/bin/crictl", `echo $$ >${join(node.root, "pid")}; exec sleep 600`);
    await node.addRuntime();
    const controller = new AbortController();
    const found = find({ patienceMs: 60_000 }, controller.signal);
    const pid = await poll(
      () => {
        try {
          return Number(node.read("pid")) || undefined;
        } catch {
          return undefined;
        }
      },
      { what: "A crictl that hangs", timeoutMs: 5000, intervalMs: 5 },
    );
    controller.abort(new Error("stopped"));
    await expect(found).rejects.toThrow("stopped");
    expect(() => process.kill(pid, 0)).toThrow();
  });
});

test("arguments that the module would cut are refused", async () => {
  node.addCrictl();
  await node.addRuntime();
  await expect(find({ parameters: "-x ".repeat(1400) })).rejects.toThrow("shorten spec.onload.controlPlane.parameters");
});

describe("a path of the node", () => {
  const isFile = async (path: string) => (await statOnNode(join(node.root, "node"), path))?.isFile() ?? false;

  test("is followed through absolute links on the way, as RKE2 has them", async () => {
    node.addCrictl("/var/lib/rancher/rke2/data/v1.34.1-rke2r1-abc/bin/crictl");
    node.addLink("/var/lib/rancher/rke2/bin", "/var/lib/rancher/rke2/data/v1.34.1-rke2r1-abc/bin");
    expect(await isFile("/var/lib/rancher/rke2/bin/crictl")).toBe(true);
  });

  test("never leaves the node's root folder", async () => {
    node.write("outside", "");
    node.addLink("/up", "../../../../outside");
    node.addLink("/abs", join(node.root, "outside"));
    expect(await isFile("/up")).toBe(false);
    expect(await isFile("/abs")).toBe(false);
    expect(await isFile("/../../outside")).toBe(false);
  });

  test("of links in a circle, or through a file, names nothing", async () => {
    node.addLink("/a", "b");
    node.addLink("/b", "/a");
    node.write("node/file", "");
    expect(await isFile("/a")).toBe(false);
    expect(await isFile("/file/x")).toBe(false);
    expect(await isFile("/file")).toBe(true);
  });
});
