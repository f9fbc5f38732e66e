import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../testcluster/lib/poll.ts";
import { foldersInUse } from "./host-usage.ts";
import { OnloadOnNode } from "./testing/onload-on-node.ts";

const VERSION = "9.2.0";
const DEVICES = 24;
const LONG = 180_000;
let onload: OnloadOnNode;

beforeAll(async () => {
  onload = await OnloadOnNode.install(VERSION, DEVICES);
}, 600_000);
afterAll(() => onload?.uninstall(), LONG);
afterEach(() => onload.deletePods(), LONG);

const node = () => onload.cluster.node;
const plane = () => onload.cluster.plane;

/** What a pod was told and, from its own log, what it found. */
async function logOf(pod: string): Promise<string> {
  return await plane().kubectl(["logs", "-n", onload.namespace, pod]);
}

/** Whether pods that ran before still run, and new ones get their devices. */
async function expectStillServing(pod: string): Promise<void> {
  const before = await onload.waitForPod(pod, "Running");
  expect(before.status.containerStatuses[0].restartCount).toBe(0);
  await onload.startPod("later", { command: ["/test"] });
  await onload.waitForPod("later", "Succeeded");
  await onload.deletePods("later");
}

/** Waits until `kubectl describe pod` says that no node has enough devices. */
async function expectInsufficient(pod: string): Promise<void> {
  await poll(
    async () => {
      const text = await plane().kubectl(["describe", "pod", "-n", onload.namespace, pod]);
      return text.includes("Insufficient amd.com/onload");
    },
    { what: `The scheduler's reason for pod ${pod}` },
  );
}

/** The network of the samples. The node has no sf0 and no whereabouts, and its kernel perhaps no ipvlan. */
async function applyNetwork(ipam: object): Promise<void> {
  const config = { cniVersion: "0.3.1", name: "ipvlan-sf0", type: "macvlan", master: "eth0", mode: "bridge", ipam };
  await plane().apply(
    JSON.stringify({
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name: "ipvlan-sf0", namespace: onload.namespace },
      spec: { config: JSON.stringify(config) },
    }),
  );
}

describe("the pod of the original's readme", () => {
  test(
    "has device files, LD_PRELOAD and libraries, without privilege, on a Multus network",
    async () => {
      await applyNetwork({ type: "static", addresses: [{ address: "192.0.2.44/24" }] });
      await onload.startPod("test", {
        command: ["/test"],
        annotations: { "k8s.v1.cni.cncf.io/networks": "ipvlan-sf0" },
        onNode: true,
      });
      const pod = await onload.waitForPod("test", "Succeeded");
      const log = await logOf("test");
      expect(log).toContain("user: 1001");
      expect(log).toContain("LD_PRELOAD=/opt/onload/usr/lib64/libonload.so");
      for (const device of ["/dev/onload", "/dev/onload_epoll", "/dev/sfc_char"]) {
        expect(log).toContain(`${device}: character device 1:3, mode 666, opens`);
      }
      expect(log).toContain("mapped library: /opt/onload/usr/lib64/libonload.so");
      expect(pod.metadata.annotations["k8s.v1.cni.cncf.io/network-status"]).toContain("192.0.2.44");
    },
    LONG,
  );
});

describe("rights", () => {
  /** Capabilities by their bits in /proc/PID/status. */
  const DAC_OVERRIDE = 1n << 1n;

  async function processOf(container: string) {
    const { pid, runtimeSpec } = await onload.inspect(await onload.containerId(container));
    const { stdout } = await node().exec(["cat", `/proc/${pid}/status`]);
    const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(stdout)![1]!;
    return {
      capabilities: ["CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"].map((name) => BigInt(`0x${field(name)}`)),
      status: { user: field("Uid"), noNewPrivs: field("NoNewPrivs"), seccomp: field("Seccomp") },
      runtimeSpec,
    };
  }

  test(
    "of the plugin are those to files and to nothing else of the machine",
    async () => {
      const { capabilities, status, runtimeSpec } = await processOf("device-plugin");
      for (const each of capabilities) expect(each & ~DAC_OVERRIDE).toBe(0n);
      // Filtered system calls.
      expect(status).toEqual({ user: "0", noNewPrivs: "1", seccomp: "2" });
      const written = runtimeSpec.mounts
        .filter(
          ({ source, options }: { source: string; options: string[] }) =>
            source.startsWith("/") && !options.includes("ro"),
        )
        .map(({ source }: { source: string }) => source)
        .filter(
          (source: string) => !/^\/(var\/lib\/kubelet\/pods|run\/containerd|var\/lib\/containerd)\//.test(source),
        );
      expect(written.sort()).toEqual(["/opt/onload", "/var/lib/kubelet/device-plugins"]);
      expect(runtimeSpec.root.readonly).toBe(true);
      // No device but those that every container has: the first rule forbids all, and no other allows all.
      const devices: { allow: boolean; major?: number }[] = runtimeSpec.linux.resources.devices;
      expect(devices[0]).toMatchObject({ allow: false });
      expect(devices.filter(({ allow, major }) => allow && (major === undefined || major === -1))).toEqual([]);
    },
    LONG,
  );

  test(
    "of the containers that prepare its pod are none beyond those",
    async () => {
      const { status } = await onload.pluginPod();
      const [copy, install] = await Promise.all(
        status.initContainerStatuses.map(({ containerID }: { containerID: string }) => onload.inspect(containerID)),
      );
      expect(copy.runtimeSpec.process).toMatchObject({ user: { uid: 65532 }, noNewPrivileges: true });
      expect(copy.runtimeSpec.process.capabilities?.bounding ?? []).toEqual([]);
      expect(install.runtimeSpec.process).toMatchObject({ user: { uid: 0 }, noNewPrivileges: true });
      expect(install.runtimeSpec.process.capabilities.bounding).toEqual(["CAP_DAC_OVERRIDE"]);
      for (const { runtimeSpec } of [copy, install]) {
        expect(runtimeSpec.root.readonly).toBe(true);
        expect(runtimeSpec.linux.seccomp).toBeDefined();
      }
    },
    LONG,
  );

  test(
    "of a pod with Onload on its device files are to read and to write, not to make them anew",
    async () => {
      await onload.startPod("holder");
      const pod = await onload.waitForPod("holder", "Running");
      const { runtimeSpec } = await onload.inspect(pod.status.containerStatuses[0].containerID);
      const rules: { allow: boolean; access: string; major?: number; minor?: number }[] =
        runtimeSpec.linux.resources.devices;
      const granted = rules.filter(({ allow, major, minor }) => allow && major === 1 && minor === 3);
      expect(granted.length).toBeGreaterThan(0);
      for (const { access } of granted) expect(["rw", "wr"]).toContain(access);
    },
    LONG,
  );

  test(
    "of the user image's environment over our program are none",
    async () => {
      const { pid } = await onload.inspect(await onload.containerId("onload-worker"));
      const variables = (await node().exec(["cat", `/proc/${pid}/environ`])).stdout.split("\0");
      // Otherwise this test proves nothing.
      const { stdout } = await node().exec([
        "crictl",
        "inspecti",
        "--output=json",
        await onload.imageOf("onload-worker"),
      ]);
      expect(stdout).toContain("BUN_BE_BUN=1");
      for (const name of ["BUN_BE_BUN", "BUN_OPTIONS", "BUN_INSPECT", "LD_PRELOAD"]) {
        expect(variables.filter((each) => each.startsWith(`${name}=`))).toEqual([`${name}=`]);
      }
    },
    LONG,
  );
});

describe("the node offers devices", () => {
  test(
    "again after the kubelet was restarted, and pods that hold some run on",
    async () => {
      await onload.startPod("holder", { devices: 3 });
      await onload.waitForPod("holder", "Running");
      expect(await onload.describeNode("Allocated resources")).toMatch(/^3\s+3$/);
      const since = Date.now();
      await node().restartKubelet();
      await onload.waitForList(since);
      await onload.waitForAllocatable(DEVICES);
      await expectStillServing("holder");
      expect(await onload.describeNode("Capacity")).toBe(String(DEVICES));
    },
    LONG,
  );

  test(
    "again after the plugin was killed",
    async () => {
      await onload.startPod("holder");
      await onload.waitForPod("holder", "Running");
      const before = await onload.containerId("device-plugin");
      await onload.killContainer("device-plugin");
      await onload.waitForPlugin(before);
      await onload.waitForAllocatable(DEVICES);
      await expectStillServing("holder");
    },
    LONG,
  );

  test(
    "again after both were killed at once",
    async () => {
      await onload.startPod("holder");
      await onload.waitForPod("holder", "Running");
      const before = await onload.containerId("device-plugin");
      await onload.killContainer("device-plugin");
      await node().stopKubelet("KILL");
      const since = Date.now();
      await node().startKubelet();
      await node().waitReady(undefined, since);
      await onload.waitForPlugin(before);
      await onload.waitForList(since);
      await onload.waitForAllocatable(DEVICES);
      await expectStillServing("holder");
    },
    LONG,
  );

  test(
    "only while the device files are there",
    async () => {
      await onload.startPod("holder");
      await onload.waitForPod("holder", "Running");
      await node().removeDevices();
      await onload.waitForAllocatable(0);
      expect(await onload.describeNode("Capacity")).toBe(String(DEVICES));
      expect(await onload.describeNode("Allocatable")).toBe("0");
      await onload.startPod("hopeful", { command: ["/test"] });
      await expectInsufficient("hopeful");
      await onload.waitForPod("holder", "Running");
      await node().addDevices();
      await onload.waitForAllocatable(DEVICES);
      await onload.waitForPod("hopeful", "Succeeded");
    },
    LONG,
  );

  test("to as many pods as there are devices, which ask at once, and no more", async () => {
    const names = Array.from({ length: DEVICES }, (_, i) => `crowd-${i}`);
    await Promise.all(names.map((name) => onload.startPod(name)));
    for (const name of names) await onload.waitForPod(name, "Running", LONG);
    expect(await onload.describeNode("Allocated resources")).toMatch(new RegExp(`^${DEVICES}\\s+${DEVICES}$`));
    await onload.startPod("one-more");
    await expectInsufficient("one-more");
    await onload.startPod("pushy", { onNode: true });
    const refused = await onload.waitForPod("pushy", "Failed");
    expect(refused.status).toMatchObject({ reason: "UnexpectedAdmissionError" });
    expect(refused.status.message).toContain(
      "requested number of devices unavailable for amd.com/onload. Requested: 1, Available: 0",
    );
    await onload.deletePods("crowd-0");
    await onload.waitForPod("one-more", "Running");
  }, 600_000);

  test(
    "never to a pod that asks for more than there is",
    async () => {
      await onload.startPod("greedy", { devices: DEVICES + 1 });
      await expectInsufficient("greedy");
    },
    LONG,
  );
});

describe("a pod that cannot have Onload", () => {
  test(
    "is told by the plugin, in kubectl describe, what is missing on the node",
    async () => {
      const library = `${await onload.currentFolder()}/usr/lib64/libonload.so`;
      // The plugin's next look may come before the pod does; then it is the kubelet that refuses.
      let text = "";
      for (let attempt = 0; attempt < 5 && !text.includes("Onload's libraries are missing"); attempt++) {
        await onload.waitForAllocatable(DEVICES);
        await node().exec(["mv", library, `${library}.away`]);
        await onload.startPod(`refused-${attempt}`, { onNode: true });
        await onload.waitForPod(`refused-${attempt}`, "Failed");
        await node().exec(["mv", `${library}.away`, library]);
        text = await plane().kubectl(["describe", "pod", "-n", onload.namespace, `refused-${attempt}`]);
      }
      expect(text).toContain("UnexpectedAdmissionError");
      expect(text).toContain("Cannot allocate amd.com/onload on this node: Onload's libraries are missing");
      await onload.waitForAllocatable(DEVICES);
    },
    LONG,
  );
});

/** What doctor says of the pods below, whose node is well; by pod the verdicts and texts of links. */
async function expectDoctor(): Promise<void> {
  const { code, stdout } = await onload.onloadctl("doctor", "-n", onload.namespace, "-o", "json");
  expect(code).toBe(1);
  type Examined = { name: string; links: { link: string; verdict: string; seen: string; todo: string }[] };
  const pods = JSON.parse(stdout) as Examined[];
  const linkOf = (pod: string, name: string): string => {
    const { verdict, seen } = pods.find((each) => each.name === pod)!.links.find(({ link }) => link === name)!;
    return `${verdict}: ${seen}`;
  };
  for (const name of ["requested", "scheduled", "admitted", "node", "versions", "devices", "plugin", "control plane"]) {
    expect([name, linkOf("kernel", name)]).toEqual([name, expect.stringMatching(/^ok: /)]);
  }
  expect(linkOf("kernel", "versions")).toBe(
    `ok: Kernel module ${VERSION}, library ${VERSION}, by the labels of the node and of its plugin's pod; the loaded module calls itself ${VERSION}`,
  );
  expect(linkOf("kernel", "library")).toBe("ok: 1 of 1 process has Onload's library");
  expect(linkOf("kernel", "interface")).toStartWith("failed: eth0 (virtual); none is of a NIC");
  expect(linkOf("kernel", "stacks")).toBe("failed: None, although there are sockets");
  expect(linkOf("kernel", "sockets")).toMatch(/^failed: all of the kernel: /);
  expect(linkOf("quiet", "stacks")).toStartWith("unknown: None");
  const reasons: Record<string, RegExp> = {
    musl: /^failed: .*the C library musl/,
    static: /^failed: .*linked statically/,
    secure: /^failed: .*setuid/,
    lost: /^failed: .*without LD_PRELOAD/,
    replaced: /^failed: .*another LD_PRELOAD/,
  };
  for (const [pod, reason] of Object.entries(reasons)) expect(linkOf(pod, "library")).toMatch(reason);
  const chain = await onload.onloadctl("doctor", "pod", "musl", "-n", onload.namespace);
  expect(chain.code).toBe(1);
  expect(chain.stdout).toMatch(/library +failed .*musl.* Use an image with the GNU C library/);
  const nodeChain = await onload.onloadctl("doctor", "node", node().name);
  expect(nodeChain).toMatchObject({ code: 0, stderr: "" });
  expect(nodeChain.stdout).toMatch(/NICs +ok +\S+ sfc/);
  expect(nodeChain.stdout).toMatch(/pods +warning +on the kernel: \S+\/kernel; without sockets: /);
  expect((await onload.onloadctl("status", "-n", onload.namespace)).stdout).toMatch(/ACCELERATED[^]*\n.* 0\/7 /);
  const stack = await onload.onloadctl("stack", "quiet", "-n", onload.namespace);
  expect(stack.code).toBe(1);
  expect(stack.stderr).toContain("it has none, as far as its node has seen; `onloadctl doctor pod quiet");
}

describe("a pod that is not simple", () => {
  test(
    "keeps its own LD_PRELOAD, and may name Onload's library in it; that of an image gives way",
    async () => {
      const image = await onload.cluster.images.appVariants();
      const both = "libm.so.6:/opt/onload/usr/lib64/libonload.so";
      const own = (value: string) => ({ command: ["/test"], env: [{ name: "LD_PRELOAD", value }] });
      await onload.startPod("own", own("libm.so.6"));
      await onload.startPod("both", own(both));
      await onload.startPod("image", { image, command: ["/test"] });
      await onload.waitForPod("own", "Failed");
      expect(await logOf("own")).toContain("LD_PRELOAD=libm.so.6\n");
      expect(await logOf("own")).toContain("mapped library: none");
      await onload.waitForPod("both", "Succeeded");
      expect(await logOf("both")).toContain(`LD_PRELOAD=${both}\n`);
      await onload.waitForPod("image", "Succeeded");
      expect(await logOf("image")).toContain("LD_PRELOAD=/opt/onload/usr/lib64/libonload.so\n");
    },
    LONG,
  );

  test(
    "does not start with another C library, until its LD_PRELOAD is empty",
    async () => {
      const image = await onload.cluster.images.appVariants();
      await onload.startPod("musl", { image, command: ["/test-musl", "--stay"] });
      const { status } = await onload.waitForPod("musl", "Failed");
      expect(status.containerStatuses[0].state.terminated.exitCode).toBe(127);
      expect(await logOf("musl")).toMatch(/^Error relocating .*libonload\.so: \w+: symbol not found/m);
      const again = { image, command: ["/test-musl", "--stay"], restartPolicy: "Always" as const };
      await onload.startPod("musl-again", again);
      // The kubelet calls it Running.
      await poll(
        async () => {
          const { stdout } = await onload.onloadctl("doctor", "pod", "musl-again", "-n", onload.namespace);
          return /admitted +failed +test does not run: .*exit code 127 \(Error\) .*musl/.test(stdout) || undefined;
        },
        { what: "doctor's word on a container that ends again and again", intervalMs: 1000 },
      );
      const env = [{ name: "LD_PRELOAD", value: "" }];
      await onload.startPod("musl-without", { image, env, command: ["/test-musl", "--stay"] });
      await onload.waitForPod("musl-without", "Running");
    },
    LONG,
  );

  test(
    "of a Deployment that holds all devices is not restarted before there is one more, unless the old one goes first",
    async () => {
      await onload.deploy("trader", { devices: DEVICES });
      try {
        const which = ["deployment/trader", "-n", onload.namespace];
        await plane().kubectl(["rollout", "restart", ...which]);
        const pods = async () =>
          (await plane().kubectl(["get", "pods", "-n", onload.namespace, "-l", "app=trader", "--no-headers"])).trim();
        const waiting = await poll(async () => /^(\S+) .*\bPending\b/m.exec(await pods())?.[1], {
          what: "The next pod",
        });
        await expectInsufficient(waiting);
        expect(await pods()).toMatch(/\bRunning\b/);
        const strategy = { spec: { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } } };
        await plane().kubectl(["patch", ...which, "--patch", JSON.stringify(strategy)]);
        await onload.rolledOut("trader");
        expect(await pods()).not.toMatch(/\bPending\b/);
      } finally {
        await plane().kubectl(["delete", "deployment", "trader", "-n", onload.namespace]);
      }
    },
    LONG,
  );

  test(
    "and has a user namespace of its own has Onload, or is refused by the kubelet if the node's runtime knows none",
    async () => {
      await onload.startPod("apart", { command: ["/test"], hostUsers: false });
      const refusal = "runtime does not support user namespaces";
      const told = await poll(
        async () => {
          const text = await plane().kubectl(["describe", "pod", "-n", onload.namespace, "apart"]);
          return text.includes(refusal) || /^Status: +Succeeded/m.test(text) ? text : undefined;
        },
        { what: "What became of the pod", timeoutMs: 60_000 },
      );
      if (!told.includes(refusal)) expect(await logOf("apart")).toContain("mapped library: /opt/onload");
    },
    LONG,
  );
});

test(
  "every command of an alert works as it is written",
  async () => {
    const { metadata } = await onload.pluginPod();
    const labels: Record<string, string> = {
      namespace: metadata.namespace,
      pod: metadata.name,
      onload_namespace: onload.namespace,
      onload_name: "onload",
      // With a number, any pod of the node will do.
      stack: "3",
    };
    const rules = (await onload.shell("onloadctl manifests prometheus")).matchAll(/`([^`]+)`/g);
    const fill = (text: string) => text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label]!);
    const lines = [...new Set([...rules].map(([, text]) => fill(text!.replaceAll(/\s+/g, " "))))];
    const commands = lines.filter((line) => /^(?:kubectl|onloadctl) /.test(line));
    const shown = await Promise.all(commands.map(async (line) => [line, await onload.shell(line)] as const));
    const told = (start: string) => shown.filter(([line]) => line.startsWith(start)).map(([, text]) => text);
    expect(told("kubectl logs")).toHaveLength(1);
    expect(told("kubectl logs")[0]).toContain("The kubelet is listening for devices");
    expect(told("kubectl get pods")[0]).toMatch(/onload-operator-controller-manager-\S+ +1\/1 +Running/);
    expect(told("kubectl describe onload")[0]).toContain("AllNodesReady");
    expect(told("onloadctl status -n")[0]).toContain("AllNodesReady");
    expect(told("onloadctl stack").sort()).toEqual(["3 filters", "3 lots", "3 netstat", "3 opts"]);
    for (const [, text] of shown) expect(text).not.toBe("");
  },
  LONG,
);

describe("whether a pod is accelerated", () => {
  test(
    "is known of real processes of real pods, and forgotten with them",
    async () => {
      const image = await onload.cluster.images.appVariants();
      const withPreload = (value: string): { image: string; env: { name: string; value: string }[] } => ({
        image,
        env: [{ name: "LD_PRELOAD", value }],
      });
      await onload.startPod("kernel", { image, command: ["/test", "--listen"] });
      await onload.startPod("quiet", { image });
      // With the library it would not start.
      await onload.startPod("musl", { ...withPreload(""), command: ["/test-musl", "--stay"] });
      await onload.startPod("static", { image, command: ["/test-static", "--stay"] });
      await onload.startPod("secure", { image, command: ["/test-setuid", "--stay"], allowPrivilegeEscalation: true });
      await onload.startPod("lost", withPreload(""));
      await onload.startPod("replaced", withPreload("libm.so.6"));
      const names = ["kernel", "lost", "musl", "quiet", "replaced", "secure", "static"];
      for (const name of names) await onload.waitForPod(name, "Running");
      const known = async () =>
        JSON.parse(await onload.served("/acceleration")) as { problem?: string; containers: any[] }; // oxlint-disable-line typescript/no-explicit-any -- JSON
      const { containers } = await poll(
        async () => {
          const all = await known();
          const seen = all.containers.filter(({ processes }) => Object.keys(processes).length > 0);
          return all.problem === undefined && seen.length === names.length ? all : undefined;
        },
        { what: "All pods in /acceleration", timeoutMs: 100_000, intervalMs: 1000 },
      );
      expect(containers.map(({ pod, container, processes }) => [pod, container, processes])).toEqual([
        ["kernel", "test", { mapped: 1 }],
        ["lost", "test", { preload_missing: 1 }],
        ["musl", "test", { musl: 1 }],
        ["quiet", "test", { mapped: 1 }],
        ["replaced", "test", { preload_replaced: 1 }],
        ["secure", "test", { secure: 1 }],
        ["static", "test", { static: 1 }],
      ]);
      expect(containers[0]).toMatchObject({
        namespace: onload.namespace,
        accelerated: false,
        sockets: [
          { kind: "tcp_listen", accelerated: false, count: 1 },
          { kind: "udp", accelerated: false, count: 1 },
        ],
        interfaces: [{ name: "eth0", driver: "virtual" }],
        cut: { processes: 0, descriptors: 0, tables: 0 },
      });
      expect(containers[3]).toMatchObject({ accelerated: null, sockets: [], stacks: 0 });
      const series = (await onload.served("/metrics")).split("\n");
      const of = (pod: string): string => `{namespace="${onload.namespace}",pod="${pod}",container="test"`;
      expect(series).toContain(`onload_pod_accelerated${of("kernel")}} 0`);
      expect(series).toContain(`onload_pod_stacks${of("kernel")}} 0`);
      expect(series).toContain(`onload_pod_sockets${of("kernel")},kind="udp",accelerated="false"} 1`);
      expect(series.filter((line) => line.startsWith("onload_pod_accelerated{"))).toHaveLength(1);
      await expectDoctor();
      await onload.deletePods();
      await poll(async () => (await known()).containers.length === 0, {
        what: "The end of the series",
        timeoutMs: 60_000,
        intervalMs: 1000,
      });
      expect(await onload.served("/metrics")).not.toMatch(/^onload_pod_\w+\{/m);
    },
    LONG,
  );
});

describe("the sample sfnettest", () => {
  const name = (end: string) => `onload-sfnettest-${end}`;
  const registry = "registry.example.com";
  const mirror = `/etc/containerd/certs.d/${registry}`;

  /** The network of the sample's pods as `manifests sample networks` has it, as far as this node can make it. */
  // Stand-in: the image, whose sfnt-pingpong measures as the original does.
  test(
    "measures between its pods as it is printed, and doctor answers for the client",
    async () => {
      await onload.cluster.images.sfnettest();
      const hosts = `[host."http://${node().registry}"]\ncapabilities = ["pull", "resolve"]\n`;
      await node().exec(["sh", "-euc", 'mkdir -p "$1"; printf %s "$2" >"$1/hosts.toml"', "sh", mirror, hosts]);
      await applyNetwork({ type: "host-local", ranges: [[{ subnet: "198.19.0.0/16" }]] });
      try {
        await onload.shell(`onloadctl manifests sample sfnettest | kubectl apply -n ${onload.namespace} -f -`);
        const server = await onload.waitForPod(name("server"), "Running");
        // The client is for another node. This is the only one, and who binds it to that bypasses the scheduler.
        await poll(
          async () =>
            (await plane().kubectl(["describe", "pod", "-n", onload.namespace, name("client")])).includes(
              "didn't match pod anti-affinity rules",
            ),
          { what: "The scheduler's reason for the client" },
        );
        await plane().request("POST", `/api/v1/namespaces/${onload.namespace}/pods/${name("client")}/binding`, {
          body: { metadata: { name: name("client") }, target: { kind: "Node", name: node().name } },
        });
        await onload.waitForPod(name("client"), "Running");
        const networks = JSON.parse(server.metadata.annotations["k8s.v1.cni.cncf.io/network-status"]);
        const address = networks.find((each: { name: string }) => each.name.endsWith("/ipvlan-sf0")).ips[0];
        const measured = await plane().kubectl([
          "exec",
          "-n",
          onload.namespace,
          name("client"),
          "--",
          "sfnt-pingpong",
          "udp",
          address,
        ]);
        expect(measured).toMatch(/^#\tsize\tmean\tmin\tmedian\tmax\t%ile\titer\n\t64(?:\t\d+){5}\t1000$/);
        type Link = { link: string; verdict: string; seen: string };
        // A look that somebody asks for waits until those before are paid for.
        const said = await poll(
          async () => {
            const pod = ["pod", name("client"), "-n", onload.namespace];
            const { links } = JSON.parse((await onload.onloadctl("doctor", ...pod, "-o", "json")).stdout);
            const all = (links as Link[]).map(({ link, verdict, seen }) => [link, `${verdict}: ${seen}`]);
            const found: Record<string, string> = Object.fromEntries(all);
            return found["library"]!.startsWith("unknown: ") ? undefined : found;
          },
          { what: "A look into the client", timeoutMs: 90_000, intervalMs: 1000 },
        );
        expect(said["requested"]).toBe("ok: sfnettest: 1");
        expect(said["scheduled"]).toBe(`ok: To node ${node().name}`);
        expect(said["library"]).toBe("ok: 2 of 2 processes have Onload's library");
        // Not every kernel says of what type an interface is.
        const lies = "unknown: .*net1 \\(macvlan\\).*; on which NIC net1 lies cannot be seen";
        const none = "failed: .*net1 \\(virtual\\); none is of a NIC that Onload can use";
        expect(said["interface"]).toMatch(new RegExp(`^(${lies}|${none})`));
        expect(said["stacks"]).toBe("unknown: None: no socket has been opened yet");
        expect(said["settings"]).toMatch(/^ok: 3 EF_ variables in the environment of its process, nothing wrong$/);
      } finally {
        const pods = ["pod", "-n", onload.namespace, name("server"), name("client"), "--ignore-not-found"];
        await plane().kubectl(["delete", ...pods, "--timeout=60s"]);
        await node().exec(["rm", "-r", mirror]);
      }
    },
    LONG,
  );
});

/** Programs of that name on the node. */
async function running(name: string): Promise<number> {
  return Number((await node().exec(["sh", "-c", `pgrep -c -f '^${name}' || true`])).stdout.trim());
}

// Before the counters that hang: after these the plugin pauses for minutes.
describe("a pod that is accelerated", () => {
  type Links = Record<string, string>;
  const doctor = async (): Promise<Links> => {
    const { stdout } = await onload.onloadctl("doctor", "pod", "holder", "-n", onload.namespace, "-o", "json");
    const { links } = JSON.parse(stdout) as { links: { link: string; verdict: string; seen: string; todo: string }[] };
    return Object.fromEntries(links.map(({ link, verdict, seen, todo }) => [link, `${verdict}: ${seen} -> ${todo}`]));
  };
  /**
   * What doctor says once the counters are read, which follows the look that it asks for. On a busy machine looks are dear,
   * and may have to wait. By itself the plugin reads the descriptors of a process that rests at every fifth look only, which
   * takes two and a half minutes.
   */
  const doctorOnceSeen = async (stack: number): Promise<Links> =>
    await poll(
      async () => {
        const links = await doctor();
        const isSeen = links["stacks"]!.startsWith(`ok: 1: ${stack} `) && !links["counters"]!.startsWith("unknown");
        return isSeen ? links : undefined;
      },
      { what: `The counters of stack ${stack}`, timeoutMs: 90_000, intervalMs: 1000 },
    );

  // Stand-ins: the links of descriptors, and orm_json, which says that all is well in stack 12 and not in stack 3.
  test(
    "has links for filters and counters, well and broken",
    async () => {
      await onload.startPod("holder");
      await onload.showDescriptors("holder", ["/dev/null", "onload:[stack:12]", "onload:[tcp:12:1]"]);
      const well = await doctorOnceSeen(12);
      expect(well["sockets"]).toStartWith("ok: accelerated: 1 tcp");
      expect(well["filters"]).toBe("ok: Every socket has found one -> ");
      expect(well["counters"]).toBe("ok: No drops, enough buffers, a route to every peer -> ");
      const status = await onload.onloadctl("status", "-n", onload.namespace);
      expect(status.stdout).toMatch(/ACCELERATED[^]*\n.* 1\/\d /);

      // The kernel's sockets, to which Onload's own are changed, are told by tables that no link of a file can be in.
      await onload.showDescriptors("holder", ["/dev/null", "onload:[stack:3]", "onload:[udp:3:1]"]);
      const broken = await doctorOnceSeen(3);
      expect(broken["filters"]).toMatch(
        /^warning: UDP sockets left to the kernel because the NIC had no filter left: 4.* -> All pods of the node share the NIC's filters: see `onloadctl stack POD filters`/,
      );
      expect(broken["counters"]).toMatch(
        /^warning: Datagrams or connections dropped because the program did not take them in time: 2.* -> Give the program its own processors/,
      );
      const series = (await onload.served("/metrics")).split("\n");
      const of = `{namespace="${onload.namespace}",pod="holder",container="test"`;
      expect(series).toContain(`onload_pod_accelerated${of}} 1`);
      expect(series).toContain(`onload_stack_no_filter_total${of},stack="3"} 4`);
      expect((await onload.onloadctl("stack", "holder", "-n", onload.namespace, "lots")).stdout).toBe("3 lots\n");
    },
    LONG,
  );
});

describe("counters of stacks", () => {
  test(
    "are read with a tool of the user image, and nobody waits for one that hangs",
    async () => {
      await onload.startPod("holder");
      await onload.waitForPod("holder", "Running");
      const metrics = () => onload.served("/metrics");
      await poll(async () => (await metrics()).includes('onload_deviceplugin_stacks{shown="false"} 2\n'), {
        what: "The two stacks of the stand-in for orm_json",
        timeoutMs: 60_000,
        intervalMs: 1000,
      });
      // No process has a descriptor of a stack without a driver, so that these are no pod's.
      expect(await metrics()).toContain('onload_deviceplugin_stacks{shown="true"} 0\n');
      expect(await metrics()).toContain("# TYPE onload_stack_memory_drops_total counter\n");
      expect(await metrics()).not.toMatch(/^onload_stack_\w+\{/m);
      const file = `/proc/${await onload.containerPid("onload-worker")}/root/orm_json-hangs`;
      await node().exec(["touch", file]);
      try {
        await poll(
          async () => /^onload_deviceplugin_stack_reads_total\{result="error"\} [1-9]/m.test(await metrics()),
          {
            what: "A reading that fails",
            timeoutMs: 90_000,
            intervalMs: 1000,
          },
        );
        const lookedAt = async (): Promise<string> => JSON.parse(await onload.served("/acceleration")).lookedAt;
        const before = await lookedAt();
        await onload.startPod("later", { command: ["/test"] });
        await onload.waitForPod("later", "Succeeded");
        await poll(async () => (await lookedAt()) !== before, { what: "The next look", timeoutMs: 60_000 });
        expect(await running("orm_json")).toBe(0);
        const { metadata } = await onload.pluginPod();
        const log = await plane().kubectl(["logs", "-n", onload.namespace, metadata.name, "-c", "device-plugin"]);
        expect(log).toContain("Cannot read the counters of stacks: orm_json: it does not end within 5 s");
      } finally {
        await node().exec(["rm", file]);
      }
    },
    LONG,
  );
});

describe("Onload's tools", () => {
  test(
    "run on the pod's node, for its stacks, without Onload's library",
    async () => {
      await onload.startPod("holder");
      await onload.waitForPod("holder", "Running");
      const stack = (...args: string[]) =>
        onload.onloadctl("stack", "holder", "-n", onload.namespace, "--stack=3", ...args);
      expect(await stack("lots")).toEqual({ code: 0, stdout: "3 lots\n", stderr: "" });
      // Other pods' stacks are left out.
      expect((await stack()).stdout).toBe("#stack-id stack-name      pids\n3         trader          77\n");
      expect(await stack("lotz")).toMatchObject({ code: 2, stderr: 'Unknown view "lotz": did you mean lots?\n' });
      expect(await running("onload_stackdump")).toBe(0);
    },
    LONG,
  );

  test(
    "end there with Ctrl-C, and write what they still have; and with a connection that is cut",
    async () => {
      await onload.startPod("holder");
      await onload.waitForPod("holder", "Running");
      const scratch = await mkdtemp(join(tmpdir(), "onload-capture-"));
      const capture = (file: string) =>
        Bun.spawn(
          [onload.executable, "tcpdump", "holder", "-n", onload.namespace, "--stack=3", "-w", join(scratch, file)],
          { env: { ...process.env, ...onload.environment }, stderr: "pipe" },
        );
      const captures = async (count: number): Promise<void> => {
        await poll(async () => (await running("onload_tcpdump.bin 3")) === count, {
          what: `${count} captures on the node`,
          timeoutMs: 90_000,
        });
      };
      try {
        const polite = capture("polite.pcap");
        await captures(1);
        polite.kill("SIGINT");
        expect(await polite.exited).toBe(0);
        expect(await new Response(polite.stderr).text()).toContain("Captured 42 bytes");
        expect((await Bun.file(join(scratch, "polite.pcap")).bytes()).length).toBe(42);
        await captures(0);
        const lost = capture("lost.pcap");
        await captures(1);
        lost.kill("SIGKILL");
        await captures(0);
      } finally {
        await rm(scratch, { recursive: true });
      }
    },
    LONG,
  );
});

describe("files of a version are in use", () => {
  test(
    "by a pod that has them mounted, and by one that may start again, as the kubelet has written down",
    async () => {
      const folder = (await onload.currentFolder()).split("/").at(-1)!;
      const scratch = await mkdtemp(join(tmpdir(), "onload-usage-"));
      try {
        await onload.startPod("holder");
        await onload.waitForPod("holder", "Running");
        // All processes of the node are the host's too.
        expect(await foldersInUse([folder], "/proc", "/nonexistent")).toEqual(new Set([folder]));
        const { stdout } = await node().exec(["cat", "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint"]);
        await Bun.write(join(scratch, "kubelet_internal_checkpoint"), stdout);
        expect(await foldersInUse([folder], scratch, scratch)).toEqual(new Set([folder]));
        await onload.deletePods();
        await poll(async () => (await foldersInUse([folder], "/proc", "/nonexistent")).size === 0, {
          what: "The end of the mount",
        });
      } finally {
        await rm(scratch, { recursive: true });
      }
    },
    LONG,
  );
});

describe("a pod that runs keeps its libraries", () => {
  test(
    "while the plugin is replaced by one with other files",
    async () => {
      await onload.startPod("holder");
      const before = await onload.libraryInside("holder");
      const plugin = await onload.containerId("device-plugin");
      const old = (await onload.pluginPod()).metadata.name;
      const userImage = await onload.cluster.images.onloadUser("9.2.0-rebuilt");
      await onload.apply(VERSION, userImage, DEVICES);
      await poll(
        async () => {
          const daemonSet = await plane().request(
            "GET",
            `/apis/apps/v1/namespaces/${onload.namespace}/daemonsets/onload-onload-device-plugin-ds`,
          );
          return JSON.stringify(daemonSet.spec.template).includes(userImage);
        },
        { what: "The new user image in the DaemonSet" },
      );
      await plane().kubectl(["delete", "pod", "-n", onload.namespace, old]);
      await onload.waitForPlugin(plugin);
      await onload.waitForAllocatable(DEVICES);
      expect(await onload.libraryInside("holder")).toEqual(before);
      await onload.startPod("newcomer");
      const after = await onload.libraryInside("newcomer");
      expect(after.sha256).not.toBe(before.sha256);
      await expectStillServing("holder");
    },
    LONG,
  );

  test(
    "while the DaemonSet is deleted, which the operator makes again",
    async () => {
      await onload.startPod("holder");
      const before = await onload.libraryInside("holder");
      const plugin = await onload.containerId("device-plugin");
      const daemonSet = ["daemonset", "-n", onload.namespace, "onload-onload-device-plugin-ds"];
      await plane().kubectl(["annotate", ...daemonSet, "onload.amd.com/allow-deletion=true"]);
      await plane().kubectl(["delete", ...daemonSet]);
      await onload.waitForPlugin(plugin);
      await onload.waitForAllocatable(DEVICES);
      expect(await onload.libraryInside("holder")).toEqual(before);
      await expectStillServing("holder");
    },
    LONG,
  );
});

describe("the control plane server", () => {
  const read = async (name: string) =>
    (await node().exec(["cat", `/sys/module/onload/parameters/${name}`], { allowFailure: true })).stdout.trim();
  const sh = (script: string) => node().exec(["sh", "-euc", script]);
  const workerId = async () => (await onload.containerId("onload-worker")).slice("containerd://".length);

  /** The module's parameters once they are of another container than before. */
  async function parametersAfter(before: string): Promise<{ id: string; path: string; params: string }> {
    return await poll(
      async () => {
        const id = await workerId();
        const params = await read("cplane_server_params");
        return id !== before && id !== "" && params.includes(id)
          ? { id, params, path: await read("cplane_server_path") }
          : undefined;
      },
      { what: "The next container's parameters", timeoutMs: 60_000 },
    );
  }

  /** Starts the server as the kernel does it, with no environment and with arguments of its own last, and ends it. */
  async function startAsKernel({ id, path, params }: { id: string; path: string; params: string }): Promise<void> {
    const started = node().exec(["env", "-i", path, ...params.split(" "), "--bootstrap"], { allowFailure: true });
    const find = `for p in /proc/[0-9]*; do
      [ "$(tr '\\0' ' ' <$p/cmdline)" = "/opt/onload/sbin/onload_cp_server -K --bootstrap " ] && cat $p/cgroup && echo "\${p#/proc/}"
    done; true`;
    const found = await poll(
      async () => {
        const { stdout } = await node().exec(["sh", "-c", find]);
        return stdout.includes(id) ? stdout : undefined;
      },
      { what: "onload_cp_server in the container" },
    );
    await node().exec(["kill", "-9", found.trim().split("\n").at(-1)!]);
    await started;
  }

  test(
    "is started by what the kernel is told, inside the container onload-worker",
    async () => {
      const parameters = await parametersAfter("");
      const endpoint = "unix:///run/containerd/containerd.sock";
      expect(parameters).toMatchObject({
        path: "/usr/bin/crictl",
        params: `--runtime-endpoint=${endpoint} --image-endpoint=${endpoint} exec ${parameters.id} /opt/onload/sbin/onload_cp_server -K`,
      });
      await startAsKernel(parameters);
    },
    LONG,
  );

  test(
    "is set anew by the next container after it was killed",
    async () => {
      const before = await workerId();
      await onload.killContainer("onload-worker");
      await parametersAfter(before);
    },
    LONG,
  );

  test(
    "is started on a node like RKE2's: crictl and socket in its places, and settings that lead elsewhere",
    async () => {
      const before = await workerId();
      const pid = await onload.containerPid("onload-worker");
      await sh(`
        mkdir -p /run/k3s/containerd /var/lib/rancher/rke2/data/v1/bin
        mv /usr/bin/crictl /var/lib/rancher/rke2/data/v1/bin/
        ln -s /var/lib/rancher/rke2/data/v1/bin /var/lib/rancher/rke2/bin
        mv /run/containerd/containerd.sock /run/k3s/containerd/
        cp /etc/crictl.yaml /run/crictl.yaml
        echo image-endpoint: unix:///run/containerd/containerd.sock >>/etc/crictl.yaml
        kill -9 ${pid}`);
      try {
        const parameters = await parametersAfter(before);
        const endpoint = "unix:///run/k3s/containerd/containerd.sock";
        expect(parameters.path).toBe("/var/lib/rancher/rke2/bin/crictl");
        expect(parameters.params).toStartWith(`--runtime-endpoint=${endpoint} --image-endpoint=${endpoint} exec `);
        await startAsKernel(parameters);
      } finally {
        await sh(`
          mv /run/crictl.yaml /etc/crictl.yaml
          mv /run/k3s/containerd/containerd.sock /run/containerd/
          mv /var/lib/rancher/rke2/data/v1/bin/crictl /usr/bin/
          rm -r /var/lib/rancher`);
      }
      const former = await workerId();
      await onload.killContainer("onload-worker");
      await parametersAfter(former);
      await onload.waitForAllocatable(DEVICES);
    },
    LONG,
  );

  test(
    "that cannot be started is told by devices and status, until the resource names a crictl",
    async () => {
      const pid = await onload.containerPid("onload-worker");
      const userImage = await onload.cluster.images.onloadUser(VERSION);
      try {
        await sh(`mkdir -p /opt/odd; mv /usr/bin/crictl /opt/odd/; kill -9 ${pid}`);
        await onload.waitForAllocatable(0);
        const problem = await poll(
          // Until the container has ended with the reason, the status has what the plugin knows: that there is no server.
          async () => (await onload.problems()).find(({ message }) => message.includes("the node has no crictl at")),
          { what: "The status", timeoutMs: 120_000 },
        );
        expect(problem.reason).toBe("PluginNotReady");
        expect(problem.message).toContain("onload_cp_server");
        expect(problem.message).toContain("the node has no crictl at /usr/bin/crictl");
        expect(problem.message).toContain("set spec.onload.controlPlane.crictlPath");
        await onload.apply(VERSION, userImage, DEVICES, { crictlPath: "/opt/odd/crictl" });
        await onload.waitForAllocatable(DEVICES);
        expect(await read("cplane_server_path")).toBe("/opt/odd/crictl");
      } finally {
        await sh("mv /opt/odd/crictl /usr/bin/");
      }
      const plugin = await onload.containerId("device-plugin");
      await onload.apply(VERSION, userImage, DEVICES);
      await onload.waitForPlugin(plugin);
      await onload.waitForAllocatable(DEVICES);
      // The status may follow the devices a moment later.
      await poll(
        async () => {
          expect(await onload.problems()).toEqual([]);
          return true;
        },
        { what: "A status without problems" },
      );
    },
    2 * LONG,
  );
});

describe("the end", () => {
  test(
    "takes the resource off the node at once, and leaves no socket behind",
    async () => {
      await onload.delete();
      await onload.waitForAllocatable(0);
      expect(await onload.resource()).toEqual({ capacity: 0, allocatable: 0 });
      const { stdout } = await node().exec(["ls", "/var/lib/kubelet/device-plugins"]);
      expect(stdout).not.toContain("onload-");
    },
    LONG,
  );
});
