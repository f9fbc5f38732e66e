/** Every verdict of every link, by what was seen. */
import { describe, expect, test } from "bun:test";
import type { PodFacts } from "./facts.ts";
import { nicsLink, nodeLinks, podsLink } from "./judge-node.ts";
import { podLinks } from "./judge-pod.ts";
import { worstLink, type LinkName } from "./links.ts";
import {
  answer,
  answering,
  container,
  NOW,
  nodeFacts,
  podFacts,
  podObject,
  rollout,
  running,
} from "./testing/facts.ts";

/** `verdict: seen -> to do` of one link of a pod. */
function linkIn(name: LinkName, facts: PodFacts): string {
  const link = podLinks(facts, NOW).find((each) => each.link === name);
  return link === undefined ? "none" : `${link.verdict}: ${link.seen}${link.todo === "" ? "" : ` -> ${link.todo}`}`;
}

const READY = { state: "Ready" as const, version: "9.2.0", wanted: "9.2.0", why: "", failed: false };
const kernel = {
  stacks: 0,
  stackIds: [],
  accelerated: false,
  sockets: [{ kind: "tcp", accelerated: false, count: 2 }],
};

function tcp(count: number) {
  return { kind: "tcp", accelerated: true, count };
}

/** A pod with one interface, on a node whose module accelerates veth. */
function onVethNode(networkInterface: { name: string; driver: string }): PodFacts {
  const node = { ...answer().node!, module: { version: undefined, acceleratesVeth: true } };
  return podFacts({
    node: answering({ node, containers: [container({ ...kernel, interfaces: [networkInterface] })] }),
  });
}

test("a chain without a fault, in order", () => {
  const links = podLinks(podFacts(), NOW);
  expect(links.map(({ link, verdict, seen }) => `${link} ${verdict}: ${seen}`)).toEqual([
    "requested ok: app: 1",
    "scheduled ok: To node worker-1",
    "admitted ok: It runs",
    "node ok: Onload onload-runtime/onload: Ready with version 9.2.0",
    "versions ok: Kernel module 9.2.0, library 9.2.0, by the labels of the node and of its plugin's pod; the loaded module calls itself 9.2.0.1",
    "devices ok: 100 amd.com/onload allocatable",
    "plugin ok: It looked into processes 12s ago",
    "control plane ok: The kernel can start onload_cp_server",
    "library ok: 2 of 2 processes have Onload's library",
    "interface ok: net1 (sfc)",
    "stacks ok: 1: 3",
    "sockets ok: accelerated: 4 tcp",
    "filters ok: No socket beyond the loopback is the kernel's",
    "settings ok: No EF_ variables in the pod's spec; those that its image or a script sets are not known before a process has them",
  ]);
  expect(worstLink(links)).toBeUndefined();
});

/** A stack whose counters are these, of which some have grown within half a minute. */
function stack(values: Record<string, number>, grown: Record<string, number> = {}) {
  return { id: 3, values, recent: { seconds: 30.4, grown } };
}

/** What is different, the link, and how what is said of it begins, or what it has in it. */
type Case = [what: string, link: LinkName, facts: PodFacts, expected: string | RegExp];

const CASES: Case[] = [
  [
    "no socket is the kernel's, and counters are not read",
    "filters",
    podFacts({ node: running({ sockets: [tcp(4), { kind: "loopback", accelerated: false, count: 3 }] }) }),
    "ok: No socket beyond the loopback is the kernel's",
  ],
  [
    "sockets are the kernel's, as Onload leaves those without a filter, and counters are not read",
    "filters",
    podFacts({ node: running({ sockets: [tcp(1), { kind: "udp", accelerated: false, count: 5 }] }) }),
    /^unknown: Sockets are the kernel's \(5 udp\), for a filter or for another reason; its counters are not read -> Set spec.devicePlugin.stackMetrics/,
  ],
  [
    "a socket is the kernel's that descriptors still name as Onload's, and counters cannot be read",
    "filters",
    podFacts({
      node: answering({
        countersProblem: "orm_json: no such file",
        containers: [container({ sockets: [tcp(1), { kind: "os_sock", accelerated: false, count: 1 }], counters: [] })],
      }),
    }),
    /^unknown: Sockets are the kernel's \(1 os_sock\).*orm_json: no such file -> See the log/,
  ],
  [
    "not every socket was looked at, and counters are not read",
    "filters",
    podFacts({ node: running({ sockets: [tcp(1)], cut: true }) }),
    /^unknown: Not everything was looked at; its counters are not read -> Set spec/,
  ],
  ["there is no stack", "filters", podFacts({ node: running(kernel) }), "unknown: No stack, so no filter"],
  ["counters are not wanted", "counters", podFacts(), "none"],
  ["no stack has counters", "counters", podFacts({ node: running({ ...kernel, counters: [] }) }), /^unknown: No stack/],
  [
    "the NIC has no filter left",
    "filters",
    podFacts({
      node: running({ counters: [stack({ no_filter: 5 }, { no_filter: 2 }), { ...stack({ no_filter: 1 }), id: 4 }] }),
    }),
    /^warning: UDP sockets left to the kernel .*: 6, 2 of them in the last 30 s -> All pods of the node share/,
  ],
  [
    "the stack's table is full, and was read once",
    "filters",
    podFacts({ node: running({ counters: [{ id: 3, values: { filter_table_full: 1 }, recent: undefined }] }) }),
    "warning: Sockets without room in the stack's own table: 1 -> Raise EF_MAX_ENDPOINTS",
  ],
  [
    "every socket has its filter",
    "filters",
    podFacts({ node: running({ counters: [stack({ no_filter: 0 })] }) }),
    "ok: Every socket has found one",
  ],
  [
    "a stack that is well, and sleeps now and then",
    "counters",
    podFacts({
      node: running({ counters: [stack({ wakeups: 1e9, sleeps: 7, memory_pressure: 0 }, { wakeups: 3040 })] }),
    }),
    "ok: No drops, enough buffers, a route to every peer",
  ],
  [
    "threads are woken",
    "counters",
    podFacts({ node: running({ counters: [stack({ wakeups: 1e9 }, { wakeups: 3200 })] }) }),
    /^warning: Threads are woken 105 times a second, so they do not spin -> Set EF_POLL_USEC/,
  ],
  [
    "everything goes wrong",
    "counters",
    podFacts({
      node: running({
        counters: [
          stack(
            { memory_pressure: 1, memory_drops: 2, udp_overflow_drops: 3, no_route: 4, neighbour_drops: 5 },
            { wakeups: 1e6 },
          ),
        ],
      }),
    }),
    /^warning: Times without packet buffers.*: 3.*; Datagrams.*: 3.*; TCP.*: 4.*; Packets.*: 5.*; Threads are woken 32895 .*-> Raise EF_MAX_PACKETS.*ARP; Set EF_POLL_USEC/,
  ],
  [
    "counters have not been read yet",
    "counters",
    podFacts({ node: running({ counters: [] }) }),
    "unknown: its counters have not been read yet -> Ask again in 30 s",
  ],
  [
    "counters cannot be read",
    "counters",
    podFacts({
      node: answering({ countersProblem: "orm_json: no such file", containers: [container({ counters: [] })] }),
    }),
    /^unknown: its counters cannot be read: orm_json: no such file -> See the log/,
  ],
  [
    "no container asks",
    "requested",
    podFacts({ pod: podObject(undefined, { containers: [{ name: "app" }] }) }),
    /^failed: No container asks for amd.com\/onload -> Set resources.limits/,
  ],
  [
    "the scheduler has no device",
    "scheduled",
    podFacts({
      pod: podObject({ phase: "Pending" }, { nodeName: "" }),
      node: undefined,
      events: { value: [{ reason: "FailedScheduling", message: "0/3 nodes: 3 Insufficient amd.com/onload." }] },
    }),
    /^failed: Not to any node: 0\/3 nodes: 3 Insufficient.*maxPodsPerNode/,
  ],
  [
    "the scheduler has another reason, and events may not be read",
    "scheduled",
    podFacts({
      pod: podObject(
        { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", message: "0/3: taints" }] },
        { nodeName: "" },
      ),
      node: undefined,
      events: { problem: "forbidden" },
    }),
    "failed: Not to any node: 0/3: taints -> Correct what the scheduler names",
  ],
  [
    "the scheduler says nothing",
    "scheduled",
    podFacts({ pod: podObject({ phase: "Pending" }, { nodeName: "" }), node: undefined }),
    'warning: The scheduler "default-scheduler" has not said anything about it yet -> Wait; if it stays so, see that the scheduler "default-scheduler" runs',
  ],
  [
    "a scheduler that nobody runs says nothing",
    "scheduled",
    podFacts({ pod: podObject({ phase: "Pending" }, { nodeName: "", schedulerName: "mine" }), node: undefined }),
    'warning: The scheduler "mine" has not said anything about it yet -> Wait; if it stays so, see that the scheduler "mine" runs, or correct spec.schedulerName',
  ],
  [
    "the kubelet refuses",
    "admitted",
    podFacts({ pod: podObject({ phase: "Failed", reason: "UnexpectedAdmissionError", message: "none left" }) }),
    /^failed: The kubelet did not run it: UnexpectedAdmissionError: none left -> Delete this pod; its controller/,
  ],
  [
    "it has ended",
    "admitted",
    podFacts({ pod: podObject({ phase: "Succeeded" }) }),
    /^warning: It has ended \(Succeeded\)/,
  ],
  [
    "its image is missing",
    "admitted",
    podFacts({
      pod: podObject({
        phase: "Pending",
        containerStatuses: [{ name: "app", state: { waiting: { reason: "ErrImagePull", message: "no such" } } }],
      }),
    }),
    /^failed: It has not been started: ErrImagePull: no such ->/,
  ],
  [
    "it is not started",
    "admitted",
    podFacts({ pod: podObject({ phase: "Pending" }) }),
    /^warning: It has not been started ->/,
  ],
  [
    "its node's runtime cannot make it",
    "admitted",
    podFacts({
      pod: podObject({
        phase: "Pending",
        containerStatuses: [{ name: "app", state: { waiting: { reason: "ContainerCreating" } } }],
      }),
      events: { value: [{ reason: "FailedCreatePodSandBox", message: "runtime does not support user namespaces" }] },
    }),
    /^failed: It has not been started: FailedCreatePodSandBox: runtime does not support user namespaces ->/,
  ],
  [
    "it was hard to schedule, and is being started",
    "admitted",
    podFacts({
      pod: podObject({ phase: "Pending" }),
      events: { value: [{ reason: "FailedScheduling", message: "0/1 nodes are available" }] },
    }),
    /^warning: It has not been started ->/,
  ],
  ["no such node", "node", podFacts({ node: nodeFacts({ node: { value: undefined } }) }), /^failed: There is no node/],
  [
    "resources may not be read",
    "node",
    podFacts({ node: nodeFacts({ rollout: { problem: "Not allowed" } }) }),
    /^unknown: Not allowed -> Ask an administrator: kubectl create clusterrolebinding onload-viewer /,
  ],
  [
    "there is no Onload resource",
    "node",
    podFacts({ node: nodeFacts({ rollout: { value: undefined }, resources: 0 }) }),
    /^failed: There is no Onload resource in this cluster/,
  ],
  [
    "it is on its way, and no operator acts",
    "node",
    podFacts({
      node: nodeFacts({
        rollout: { value: rollout({ status: { ...READY, state: "New" } }) },
        unserved: { seen: "No operator acts", todo: "start it" },
      }),
    }),
    "warning: Onload onload-runtime/onload: New. No operator acts -> start it",
  ],
  [
    "no Onload has it",
    "node",
    podFacts({ node: nodeFacts({ rollout: { value: undefined } }) }),
    /^failed: No Onload resource selects node "worker-1"/,
  ],
  [
    "it has failed",
    "node",
    podFacts({
      node: nodeFacts({
        rollout: {
          value: rollout({ status: { ...READY, state: "LoadingOnload", why: "the image is missing", failed: true } }),
        },
      }),
    }),
    /^failed: Onload .*: LoadingOnload: the image is missing -> Correct this/,
  ],
  [
    "it is on its way",
    "node",
    podFacts({
      node: nodeFacts({ rollout: { value: rollout({ status: { ...READY, state: "Draining", why: "waits" } }) } }),
    }),
    /^warning: .*: Draining: waits -> Wait/,
  ],
  [
    "it is Ready, and something is to be known",
    "node",
    podFacts({ node: nodeFacts({ rollout: { value: rollout({ status: { ...READY, why: "a taint" } }) } }) }),
    "warning: Onload onload-runtime/onload: Ready: a taint",
  ],
  [
    "the node is away",
    "node",
    podFacts({ node: nodeFacts({ node: { value: { ready: false, allocatable: 100 } } }) }),
    /^failed: The node is not Ready/,
  ],
  [
    "no module",
    "versions",
    podFacts({
      node: {
        ...answering({ node: { ...answer().node!, module: { version: undefined, acceleratesVeth: undefined } } }),
        rollout: { value: rollout({ module: undefined }) },
      },
    }),
    /^failed: Kernel module not loaded, library 9.2.0, by the labels of the node and of its plugin's pod -> /,
  ],
  [
    "no library",
    "versions",
    podFacts({ node: nodeFacts({ rollout: { value: rollout({ library: undefined }) } }) }),
    /^failed: Kernel module 9.2.0, library not installed, by the labels of the node and of its plugin's pod/,
  ],
  [
    "two versions",
    "versions",
    podFacts({ node: nodeFacts({ rollout: { value: rollout({ module: "9.1.0" }) } }) }),
    /^failed: Kernel module 9.1.0, library 9.2.0, by the labels of the node and of its plugin's pod; .* -> Onload refuses/,
  ],
  [
    "the module that is loaded is another one than the label says",
    "versions",
    podFacts({
      node: answering({ node: { ...answer().node!, module: { version: "9.1.0.50", acceleratesVeth: false } } }),
    }),
    /^warning: Kernel module 9.2.0, library 9.2.0, .*; the loaded module calls itself 9.1.0.50 -> KMM has not loaded it/,
  ],
  [
    "a module is loaded that has no label",
    "versions",
    podFacts({ node: nodeFacts({ rollout: { value: rollout({ module: undefined }) } }) }),
    /^warning: Kernel module not loaded, library 9.2.0, .*; the loaded module calls itself 9.2.0.1 -> /,
  ],
  ...["9.2.0", "9.2", "ef17681 2025-11-01 master"].map((version): (typeof CASES)[number] => [
    `the loaded module says no other version than the label: ${version}`,
    "versions",
    podFacts({ node: answering({ node: { ...answer().node!, module: { version, acceleratesVeth: false } } }) }),
    `ok: Kernel module 9.2.0, library 9.2.0, by the labels of the node and of its plugin's pod; the loaded module calls itself ${version}`,
  ]),
  ["unknown versions", "versions", podFacts({ node: nodeFacts({ rollout: { problem: "x" } }) }), /^unknown/],
  [
    "no devices",
    "devices",
    podFacts({
      node: nodeFacts({
        node: { value: { ready: true, allocatable: 0 } },
        asked: { value: answer({ node: { ...answer().node!, healthy: false, problems: ["No NIC", "No module"] } }) },
      }),
    }),
    /^failed: The node offers no amd.com\/onload: No NIC; No module ->/,
  ],
  [
    "no devices, as its log says",
    "devices",
    podFacts({
      node: nodeFacts({
        rollout: { value: rollout({ refusal: "the library is missing" }) },
        node: { value: { ready: true, allocatable: 0 } },
        asked: { problem: "x", todo: "" },
      }),
    }),
    /^failed: The node offers no amd.com\/onload: the library is missing ->/,
  ],
  [
    "devices that are lost just now",
    "devices",
    podFacts({ node: answering({ node: { ...answer().node!, healthy: false, problems: ["gone"] } }) }),
    "failed: They are being withdrawn: gone",
  ],
  [
    "nodes may not be read",
    "devices",
    podFacts({ node: nodeFacts({ node: { problem: "Not allowed" } }) }),
    "ok: The device plugin offers them",
  ],
  [
    "neither nodes nor the plugin",
    "devices",
    podFacts({ node: nodeFacts({ node: { problem: "Not allowed" }, asked: { problem: "x", todo: "" } }) }),
    /^unknown: Not allowed ->/,
  ],
  [
    "no plugin",
    "plugin",
    podFacts({ node: nodeFacts({ asked: "none" }) }),
    /^failed: The node has no pod of the device plugin/,
  ],
  [
    "a right is missing",
    "plugin",
    podFacts({ node: nodeFacts({ asked: { problem: "Not allowed: get pods/proxy", todo: "Bind" } }) }),
    "unknown: Not allowed: get pods/proxy -> Bind",
  ],
  [
    "the plugin cannot look",
    "plugin",
    podFacts({ node: answering({ problem: "no kubelet" }) }),
    /^warning: no kubelet ->/,
  ],
  [
    "the plugin has not looked",
    "plugin",
    podFacts({ node: answering({ lookedAt: undefined }) }),
    /^unknown: It has not looked/,
  ],
  [
    "the plugin looked long ago",
    "plugin",
    podFacts({ node: answering({ lookedAt: NOW - 3_600_000 }) }),
    /^warning: It looked into processes 60m ago/,
  ],
  [
    "an older plugin",
    "control plane",
    podFacts({ node: answering({ node: undefined }) }),
    /^unknown: The device plugin is of an older version/,
  ],
  [
    "no control plane server",
    "control plane",
    podFacts({ node: answering({ node: { ...answer().node!, controlPlane: "no crictl" } }) }),
    "failed: no crictl -> See the log of the container onload-worker",
  ],
  ["the plugin was not asked", "control plane", podFacts({ node: nodeFacts({ asked: "none" }) }), /^unknown/],
  [
    "musl",
    "library",
    podFacts({ node: running({ processes: { musl: 1 } }) }),
    /^failed: 0 of 1 .*; 1 uses the C library musl.*GNU C library$/,
  ],
  [
    "static",
    "library",
    podFacts({ node: running({ processes: { static: 3 } }) }),
    /^failed: 0 of 3 .*; 3 are linked statically/,
  ],
  ["secure", "library", podFacts({ node: running({ processes: { secure: 1 } }) }), /^failed: .*setuid.*Take the mode/],
  [
    "preload lost",
    "library",
    podFacts({ node: running({ processes: { preload_missing: 1 } }) }),
    /^failed: .*started without LD_PRELOAD -> Leave LD_PRELOAD alone/,
  ],
  [
    "preload not wanted",
    "library",
    podFacts({
      node: { ...running({ processes: { preload_missing: 1 } }), rollout: { value: rollout({ setPreload: false }) } },
    }),
    /-> Start the program by the onload script/,
  ],
  [
    "preload replaced",
    "library",
    podFacts({ node: running({ processes: { preload_replaced: 1 } }) }),
    /^failed: .*another LD_PRELOAD/,
  ],
  ["not loaded", "library", podFacts({ node: running({ processes: { not_loaded: 1 } }) }), /^failed: .*ld\.so/],
  [
    "unreadable",
    "library",
    podFacts({ node: running({ processes: { unreadable: 1 } }) }),
    /^unknown: .*cannot be looked into/,
  ],
  [
    "a static program beside one that cannot be looked into, which may have it",
    "library",
    podFacts({ node: running({ processes: { static: 1, unreadable: 1 } }) }),
    /^unknown: 0 of 2 .*; 1 is linked statically.*; 1 cannot be looked into/,
  ],
  [
    "a static program beside some that were not looked into",
    "library",
    podFacts({ node: running({ processes: { static: 1 }, cut: true, processesCut: 20 }) }),
    /^unknown: 0 of 1 .*; 1 is linked statically.*; 20 were not looked into -> .*; Ask again/,
  ],
  [
    "the library beside some that were not looked into",
    "library",
    podFacts({ node: running({ processes: { mapped: 1 }, cut: true, processesCut: 1 }) }),
    "ok: 1 of 1 process has Onload's library; 1 was not looked into",
  ],
  [
    "nothing but processes that were not looked into",
    "library",
    podFacts({ node: running({ processes: {}, cut: true, processesCut: 3 }) }),
    /^unknown: No process of the container was seen; 3 were not looked into/,
  ],
  [
    "a later version's word",
    "library",
    podFacts({ node: running({ processes: { constructor: 1 } }) }),
    /^failed: .*does not have it: constructor/,
  ],
  [
    "some have it",
    "library",
    podFacts({ node: running({ processes: { mapped: 1, static: 1 } }) }),
    /^warning: 1 of 2 /,
  ],
  ["no process", "library", podFacts({ node: running({ processes: {} }) }), /^unknown: No process/],
  [
    "only veth",
    "interface",
    podFacts({ node: running({ ...kernel, interfaces: [{ name: "eth0", driver: "virtual" }] }) }),
    /^failed: eth0 \(virtual\); none is of a NIC.*sample networks.* oo_accelerate_veth, which is off$/,
  ],
  [
    "only veth, and the module accelerates it",
    "interface",
    onVethNode({ name: "eth0", driver: "virtual" }),
    /^unknown: eth0 \(virtual\); oo_accelerate_veth is set, .* takes eth0 if it is a veth .* -> .* leave the node by .*: ens1f0$/,
  ],
  [
    "only a bridge, and the module accelerates veth",
    "interface",
    onVethNode({ name: "br0", driver: "bridge" }),
    /^failed: br0 \(bridge\); none is of a NIC/,
  ],
  [
    "a node's own network with more interfaces than are looked at",
    "interface",
    podFacts({
      node: running({ ...kernel, interfaces: [{ name: "veth0", driver: "virtual" }], interfacesCut: true }),
    }),
    "unknown: veth0 (virtual); not all were looked at -> The node's interfaces that Onload can use: ens1f0",
  ],
  [
    "a NIC of Onload's drivers among more interfaces than are looked at",
    "interface",
    podFacts({ node: running({ ...kernel, interfaces: [{ name: "net1", driver: "sfc" }], interfacesCut: true }) }),
    "ok: net1 (sfc)",
  ],
  [
    "a NIC of another driver, before its first socket",
    "interface",
    podFacts({
      node: running({
        ...kernel,
        accelerated: undefined,
        sockets: [],
        interfaces: [
          { name: "eth0", driver: "virtual" },
          { name: "net1", driver: "mlx5_core" },
        ],
      }),
    }),
    /^unknown: eth0 \(virtual\), net1 \(mlx5_core\); whether Onload has net1 by AF_XDP cannot be seen -> .*sfc_resource\/afxdp\/register.*sample networks/,
  ],
  [
    "a bridge and the like, which are no NICs",
    "interface",
    podFacts({
      node: running({
        ...kernel,
        interfaces: [
          { name: "br0", driver: "bridge" },
          { name: "vx", driver: "vxlan" },
        ],
      }),
    }),
    /^failed: br0 \(bridge\), vx \(vxlan\); none is of a NIC/,
  ],
  [
    "veth that is accelerated",
    "interface",
    podFacts({ node: running({ interfaces: [{ name: "eth0", driver: "virtual" }] }) }),
    "ok: eth0 (virtual)",
  ],
  [
    "macvlan",
    "interface",
    podFacts({ node: running({ ...kernel, interfaces: [{ name: "net1", driver: "macvlan" }] }) }),
    /^unknown: net1 \(macvlan\); on which NIC net1 lies .*can use: ens1f0$/,
  ],
  [
    "a driver that cannot be told",
    "interface",
    podFacts({ node: running({ ...kernel, interfaces: [{ name: "x", driver: undefined }] }) }),
    /^unknown: x \(driver unknown\)/,
  ],
  ["no interface", "interface", podFacts({ node: running({ ...kernel, interfaces: [] }) }), /^unknown: None was seen/],
  [
    "no stack without library",
    "stacks",
    podFacts({ node: running({ ...kernel, processes: { musl: 1 } }) }),
    "failed: None, because no process has Onload's library",
  ],
  [
    "processes that cannot be looked into",
    "stacks",
    podFacts({ node: running({ ...kernel, processes: { unreadable: 2 }, sockets: [] }) }),
    "unknown: None seen: 2 processes cannot be looked into -> See library",
  ],
  [
    "processes without library, and one that cannot be looked into",
    "stacks",
    podFacts({ node: running({ ...kernel, processes: { static: 1, unreadable: 1 } }) }),
    "unknown: None seen: 1 process cannot be looked into -> See library",
  ],
  [
    "processes without library, and some that were not looked at",
    "stacks",
    podFacts({ node: running({ ...kernel, processes: { static: 1 }, cut: true }) }),
    "unknown: None seen: not everything was looked at -> Ask again in 30 s",
  ],
  [
    "no stack with the library, and not everything was looked at",
    "stacks",
    podFacts({ node: running({ ...kernel, cut: true }) }),
    "unknown: None seen: not everything was looked at -> Ask again in 30 s",
  ],
  [
    "only sockets of the kernel, of a process that cannot be looked into",
    "sockets",
    podFacts({ node: running({ ...kernel, processes: { unreadable: 1 } }) }),
    "failed: all of the kernel: 2 tcp -> See library",
  ],
  [
    "no process, of whose stacks nothing is known",
    "stacks",
    podFacts({ node: running({ ...kernel, processes: {} }) }),
    "unknown: None: no process was seen yet",
  ],
  ["no stack yet", "stacks", podFacts({ node: running({ ...kernel, sockets: [] }) }), /^unknown: None: no socket/],
  [
    "no stack",
    "stacks",
    podFacts({ node: running(kernel) }),
    /^failed: None, although there are sockets -> Set EF_NO_FAIL=0/,
  ],
  ...(
    [
      // By opts_citp_def.h, and the library's files of TCP and UDP.
      ["leave all", { EF_DONT_ACCELERATE: "1" }, ["tcp", "udp"], "EF_DONT_ACCELERATE=1"],
      ["leave TCP", { EF_TCP: "0", EF_UDP: "1" }, ["tcp", "tcp_listen"], "EF_TCP=0"],
      ["leave UDP", { EF_UDP: "0" }, ["udp"], "EF_UDP=0"],
      ["leave both", { EF_TCP: "0", EF_UDP: "0" }, ["tcp", "udp"], "EF_TCP=0 and EF_UDP=0"],
    ] as const
  ).flatMap(([what, settings, kinds, by]): Case[] => {
    const sockets = kinds.map((kind) => ({ kind, accelerated: false, count: 2 }));
    const facts = podFacts({ node: running({ ...kernel, settings, sockets }) });
    const names = by.replaceAll(/=\d/g, "");
    return [
      [
        `no stack, by variables that ${what}`,
        "stacks",
        facts,
        new RegExp(`^failed: None, because of ${by} -> Take ${names} out`),
      ],
      [
        `no socket, by variables that ${what}`,
        "sockets",
        facts,
        new RegExp(`^failed: all of the kernel: .*, because of ${by} -> Take ${names} out[^;]*$`),
      ],
    ];
  }),
  ...(
    [
      ["that turn nothing off", { EF_DONT_ACCELERATE: "0", EF_TCP: "1", EF_UDP: null, EF_NO_FAIL: "0" }],
      ["that the library does not read", { EF_LOAD_ENV: "0", EF_DONT_ACCELERATE: "1" }],
      ["of other sockets", { EF_UDP: "0" }],
    ] as const
  ).map(([what, settings]): Case => [
    `no stack, with variables ${what}`,
    "stacks",
    podFacts({ node: running({ ...kernel, settings }) }),
    /^failed: None, although there are sockets -> Set EF_NO_FAIL=0/,
  ]),
  [
    "some sockets that a variable leaves to the kernel",
    "sockets",
    podFacts({
      node: running({
        settings: { EF_UDP: "0" },
        sockets: [
          { kind: "tcp", accelerated: true, count: 1 },
          { kind: "tcp", accelerated: false, count: 1 },
          { kind: "udp", accelerated: false, count: 3 },
        ],
      }),
    }),
    /^warning: accelerated: 1 tcp; of the kernel: 1 tcp, 3 udp, some because of EF_UDP=0 -> Take EF_UDP out.*; Sockets to addresses behind other/,
  ],
  ["stacks of an older plugin", "stacks", podFacts({ node: running({ stacks: 2, stackIds: undefined }) }), "ok: 2"],
  [
    "only sockets of the kernel",
    "sockets",
    podFacts({ node: running(kernel) }),
    /^failed: all of the kernel: 2 tcp -> Bind or route/,
  ],
  [
    "and no library",
    "sockets",
    podFacts({ node: running({ ...kernel, processes: { musl: 1 } }) }),
    "failed: all of the kernel: 2 tcp -> See library",
  ],
  [
    "both",
    "sockets",
    podFacts({
      node: running({
        sockets: [
          { kind: "tcp", accelerated: true, count: 1 },
          { kind: "os_sock", accelerated: false, count: 3 },
          { kind: "loopback", accelerated: false, count: 9 },
        ],
      }),
    }),
    /^warning: accelerated: 1 tcp; of the kernel: 3 os_sock ->/,
  ],
  [
    "only the loopback",
    "sockets",
    podFacts({ node: running({ ...kernel, sockets: [{ kind: "loopback", accelerated: false, count: 9 }] }) }),
    "unknown: No socket beyond the loopback yet",
  ],
  [
    "not all was looked at",
    "sockets",
    podFacts({ node: running({ ...kernel, cut: true }) }),
    "unknown: of the kernel: 2 tcp (not everything was looked at) -> Ask again in 30 s",
  ],
  [
    "it was not asked",
    "library",
    podFacts({ node: nodeFacts({ asked: { problem: "x", todo: "" } }) }),
    /^unknown: Only the device plugin knows/,
  ],
  ["the pod has ended", "sockets", podFacts({ pod: podObject({ phase: "Failed" }) }), "unknown: The pod has ended"],
  [
    "a pod of the same name before",
    "library",
    podFacts({ node: running({ podUid: "another" }) }),
    /^unknown: The kubelet has given the pod no device.*Delete the pod, so that its controller creates another/,
  ],
  [
    "a pod that is new",
    "library",
    podFacts({ node: answering({ containers: [], lookedAt: Date.UTC(2026, 0, 1, 0, 0, 20) }) }),
    /^unknown: The node has not looked into the pod since/,
  ],
  [
    "settings",
    "settings",
    podFacts({ settings: [{ container: "app", settings: { EF_POL_USEC: "1" }, unread: ['Secret "s"'] }] }),
    /^warning: EF_POL_USEC: Onload does not know it: did you mean EF_POLL_USEC\?; not read: Secret "s"/,
  ],
  [
    "settings that cannot be read",
    "settings",
    podFacts({ settings: [{ container: "app", settings: { EF_POLL_USEC: "1" }, unread: ['Secret "s"'] }] }),
    'unknown: 1 EF_ variable in the pod\'s spec, nothing wrong; not read: Secret "s"',
  ],
  [
    "settings without a fault",
    "settings",
    podFacts({ settings: [{ container: "app", settings: { EF_POLL_USEC: "1" }, unread: [] }] }),
    "ok: 1 EF_ variable in the pod's spec, nothing wrong; those that its image or a script sets are not known before a process has them",
  ],
  [
    "settings that a process has, and not those of the spec",
    "settings",
    podFacts({
      settings: [{ container: "app", settings: { EF_POL_USEC: "1", EF_NAME: "a" }, unread: ['Secret "s"'] }],
      node: running({ settings: { EF_POLL_USEC: "100000", EF_NAME: null, EF_SCALABLE_FILTERS: null } }),
    }),
    "ok: 3 EF_ variables in the environment of its process, nothing wrong; without the values of EF_SCALABLE_FILTERS",
  ],
  [
    "settings of a process that make no sense",
    "settings",
    podFacts({ node: running({ settings: { EF_INT_DRIVEN: "7", EF_POL_USEC: null } }) }),
    /^warning: EF_INT_DRIVEN: it cannot be "7".*EF_POL_USEC: Onload does not know it: did you mean EF_POLL_USEC\? -> Correct/,
  ],
];
describe("a link", () => {
  test.each(CASES)("%s: %s", (_what, name, facts, expected) => {
    if (typeof expected === "string") expect(linkIn(name, facts)).toBe(expected);
    else expect(linkIn(name, facts)).toMatch(expected);
  });
});

test("of several containers, each is named, and the worst counts", () => {
  const containers = [container(), container({ container: "feed", processes: { static: 1 } })];
  expect(linkIn("library", podFacts({ node: answering({ containers }) }))).toMatch(
    /^failed: app: 2 of 2 processes .*, feed: 0 of 1 process has/,
  );
});

test("a static pod is known by the kubelet's UID", () => {
  const pod = podObject();
  pod.metadata.annotations = { "kubernetes.io/config.mirror": "static-uid" };
  expect(linkIn("library", podFacts({ pod, node: running({ podUid: "static-uid" }) }))).toStartWith("ok: ");
});

describe("a node", () => {
  test("has links of its own", () => {
    const facts = nodeFacts();
    const links = [...nodeLinks(facts, NOW), nicsLink(facts), podsLink(facts)];
    expect(links.map(({ link, verdict }) => `${link} ${verdict}`)).toEqual([
      "node ok",
      "versions ok",
      "devices ok",
      "plugin ok",
      "control plane ok",
      "NICs ok",
      "pods ok",
    ]);
    expect(links.slice(-2).map(({ seen }) => seen)).toEqual([
      "0000:3b:00.0 sfc ens1f0",
      "accelerated: trading/trader-0",
    ]);
  });
  const nic = { address: "0000:3b:00.0", interfaces: [] };
  test.each([
    ["another driver", answering({ node: { ...answer().node!, nics: [{ ...nic, driver: "vfio-pci" }] } }), "failed"],
    ["no driver", answering({ node: { ...answer().node!, nics: [{ ...nic, driver: undefined }] } }), "failed"],
    ["no NIC", answering({ node: { ...answer().node!, nics: [] } }), "failed"],
    ["an older plugin", answering({ node: undefined }), "unknown"],
    ["no plugin", nodeFacts({ asked: "none" }), "unknown"],
  ])("NICs: %s", (_what, facts, verdict) => {
    expect(nicsLink(facts).verdict).toBe(verdict as never);
  });
  test.each([
    ["none", answering({ containers: [] }), "ok: None holds amd.com/onload"],
    [
      "on the kernel",
      answering({ containers: [container({ accelerated: false }), container({ pod: "b", accelerated: undefined })] }),
      "warning: on the kernel: trading/trader-0; without sockets: trading/b",
    ],
    ["not asked", nodeFacts({ asked: "none" }), /^unknown/],
  ])("pods: %s", (_what, facts, expected) => {
    const { verdict, seen } = podsLink(facts);
    expect(`${verdict}: ${seen}`).toMatch(expected);
  });
});
