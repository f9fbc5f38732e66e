import { describe, expect, test } from "bun:test";
import type { Event } from "../../kube/kinds.ts";
import { secondTime } from "../../kube/times.ts";
import { refusalsSince, saidOfPods, type PodRefusals } from "./refusals.ts";

const KEY = { namespace: "ns", name: "main" };
const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const PLUGIN = "main-onload-device-plugin-ds";

interface About {
  name?: string;
  kind?: string;
  uid?: string;
  agoMs?: number;
  message?: string;
  reason?: string;
}

function event({ name = PLUGIN, kind = "DaemonSet", uid = "d", agoMs = 0, message = "no", reason }: About): Event {
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "e", namespace: "ns" },
    reason: reason ?? "FailedCreate",
    message: `Error creating: ${message}`,
    involvedObject: { kind, name, uid, namespace: "ns" },
    lastTimestamp: secondTime(NOW - agoMs),
  };
}
const refusals = (events: Event[], awaitedMs: number, uid: string | undefined = "d"): PodRefusals =>
  refusalsSince(saidOfPods(events, KEY, uid), KEY, NOW - awaitedMs, NOW);
/** Of pods that are awaited for long. */
const found = (...events: Event[]): PodRefusals => refusals(events, 60 * MINUTE);

/** As kube-apiserver, GKE and OpenShift put it. */
const WORDS: [what: string, message: string, remedy: string][] = [
  [
    "a quota",
    'pods "x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0',
    'raise that ResourceQuota of namespace "ns"',
  ],
  [
    "a quota that needs limits",
    'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: device-plugin',
    'create a LimitRange in namespace "ns" that gives containers a default',
  ],
  [
    "a quota that was not counted yet",
    'pods "x" is forbidden: status unknown for quota: q, resources: pods',
    "wait until that ResourceQuota has a status",
  ],
  [
    "no quota for a resource that needs one",
    'pods "x" is forbidden: insufficient quota to consume: pods',
    'create a ResourceQuota in namespace "ns" that names these resources',
  ],
  [
    "no quota for the priority class",
    "insufficient quota to match these scopes: [{PriorityClass In [system-node-critical system-cluster-critical]}]",
    "create a ResourceQuota",
  ],
  [
    "Pod Security",
    'pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged (container "y" must not set securityContext.privileged=true)',
    "kubectl label --overwrite namespace ns pod-security.kubernetes.io/enforce=privileged",
  ],
  [
    "an SCC",
    'pods "x" is forbidden: unable to validate against any security context constraint: [provider "anyuid": Forbidden: not usable by user or serviceaccount]',
    "onloadctl manifests openshift -n ns --service-account=NAME | kubectl apply -f -",
  ],
  [
    "no PriorityClass",
    'pods "x" is forbidden: no PriorityClass with name system-node-critical was found',
    "create that PriorityClass",
  ],
  [
    "no ServiceAccount",
    'pods "x" is forbidden: error looking up service account ns/sa: serviceaccount "sa" not found',
    "create that ServiceAccount",
  ],
  [
    "a webhook that is down",
    'Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: Post "https://w": connect: connection refused',
    "bring that webhook's service back",
  ],
  [
    "a webhook that refuses",
    'admission webhook "validate.kyverno.svc-fail" denied the request: privileged containers are not allowed',
    "make that policy admit",
  ],
  [
    "a LimitRange",
    'pods "x" is forbidden: maximum memory usage per Container is 32Mi, but limit is 256Mi',
    "LimitRange",
  ],
  [
    "a namespace's node selector",
    'pods "x" is forbidden: pod node label selector conflicts with its namespace node label selector',
    "kubectl annotate --overwrite namespace ns scheduler.alpha.kubernetes.io/node-selector=",
  ],
  [
    "a project's node selector, as OpenShift says it",
    'pods "x" is forbidden: pod node label selector conflicts with its project node label selector',
    "openshift.io/node-selector=",
  ],
  [
    "a namespace's tolerations",
    'pods "x" is forbidden: pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist',
    'let the tolerations that namespace "ns" admits',
  ],
  [
    "a namespace that is being deleted",
    'pods "x" is forbidden: unable to create new content in namespace ns because it is being terminated',
    'delete the Onload resources in namespace "ns"',
  ],
  [
    "a policy",
    "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: privileged containers are not allowed",
    "make that policy admit",
  ],
  // What a policy says may have the words of any other refusal.
  [
    "Gatekeeper, of a ServiceAccount's token",
    'admission webhook "validation.gatekeeper.sh" denied the request: [psp-automount-serviceaccount-token-pod] Automounting service account token is disallowed, pod: x',
    "make that policy admit",
  ],
  [
    "Kyverno, of a PriorityClass",
    'admission webhook "validate.kyverno.svc-fail" denied the request: resource Pod/ns/x was blocked due to the following policies restrict-priority: PriorityClass must be one of: low, high',
    "make that policy admit",
  ],
  [
    "Kyverno, of a quota and Pod Security",
    'admission webhook "validate.kyverno.svc-fail" denied the request: exceeded quota: a team has two; violates PodSecurity "baseline:latest"',
    "make that policy admit",
  ],
  [
    "a policy, of a ServiceAccount",
    "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: the serviceaccount of a pod must not be privileged by a security context constraint",
    "make that policy admit",
  ],
  [
    "a MutatingAdmissionPolicy, of a PriorityClass",
    "pods \"x\" is forbidden: policy 'p' with binding 'b' denied request: expression failed: no PriorityClass",
    "make that policy admit",
  ],
  [
    "a policy of images",
    'pods "x" is forbidden: image policy webhook backend denied one or more images: no service account of that registry',
    "make that policy admit",
  ],
  [
    "a webhook that cannot be called, of a ServiceAccount",
    'Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: serviceaccount "w" not found',
    "bring that webhook's service back",
  ],
  [
    "a right that is missing",
    'pods is forbidden: User "system:serviceaccount:kube-system:daemon-set-controller" cannot create resource "pods" in API group "" in the namespace "ns"',
    'let that user create pods in namespace "ns"',
  ],
  [
    "a quota of what a ServiceAccount's pods may use",
    'pods "x" is forbidden: exceeded quota: no-priorityclass-service-account, requested: pods=1, used: pods=0, limited: pods=0',
    "raise that ResourceQuota",
  ],
  [
    "a priority that a PriorityClass does not give",
    'pods "x" is forbidden: the integer value of priority (1) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    "see what refuses it",
  ],
  [
    "a Secret that a ServiceAccount does not refer to",
    'pods "x" is forbidden: imagePullSecrets[0].name="s" is not allowed because service account sa does not reference that imagePullSecret',
    "see what refuses it",
  ],
  ["something else", "the server is on fire", "see what refuses it"],
];

describe("what refuses a pod is quoted, with what to do about it:", () => {
  test.each(WORDS)("%s", (_what, message, remedy) => {
    const { plugin } = found(event({ message }));
    expect(plugin).toStartWith(`DaemonSet ${PLUGIN}: ${message}; `);
    expect(plugin!.slice(message.length)).toContain(remedy);
  });
});

test.each([
  [PLUGIN, "DaemonSet", ["plugin"]],
  ["main-module-x7k2p", "DaemonSet", ["onload"]],
  ["main-module-4cc55ab6d09677d3", "DaemonSet", ["onload"]],
  ["main-sfcmod-abcde", "DaemonSet", ["sfc"]],
  ["main-module-build-x7k2p", "Job", ["onload"]],
  ["main-sfcmod-sign-x7k2p", "Job", ["sfc"]],
  ["main-module", "DaemonSet", []],
  ["other-module-x7k2p", "DaemonSet", []],
  ["main-module-x-module-x7k2p", "DaemonSet", []],
  ["", "DaemonSet", []],
])("%s, a %s, makes the pods of %p", (name, kind, purposes) => {
  expect(Object.keys(found(event({ name, kind })))).toEqual(purposes);
});

test("what several events have in common is quoted without the words of the recorder", () => {
  const merged = event({ message: "no" });
  merged.message = "(combined from similar events): Error creating: pods are forbidden";
  expect(found(merged).plugin).toStartWith(`DaemonSet ${PLUGIN}: pods are forbidden`);
});

describe("an event counts", () => {
  test("unless it says something else", () => {
    expect(found(event({ reason: "SuccessfulCreate" }))).toEqual({});
  });
  test("unless it is about a DaemonSet of the same name that is gone", () => {
    expect(found(event({ uid: "before" }))).toEqual({});
  });
  test("unless there is no such DaemonSet", () => {
    expect(refusals([event({})], MINUTE)).toHaveProperty("plugin");
    expect(refusalsSince(saidOfPods([event({})], KEY, undefined), KEY, NOW - MINUTE, NOW)).toEqual({});
  });
  test.each([PLUGIN, "main-module-x7k2p", "main-sfcmod-abcde", "main-module-build-x7k2p"])(
    "unless it is from before the pod was awaited: %s",
    (name) => {
      const before = event({ name, agoMs: 18 * MINUTE });
      expect(Object.keys(refusals([before], 19 * MINUTE))).toHaveLength(1);
      expect(refusals([before], 17 * MINUTE)).toEqual({});
      expect(refusals([before], 10_000)).toEqual({});
      // Within a second, and as far as clocks agree.
      expect(Object.keys(refusals([event({ name, agoMs: 12_000 })], 10_000))).toHaveLength(1);
    },
  );
  test("as long as the controller may not have tried again since", () => {
    expect(found(event({ agoMs: 16 * MINUTE }))).toHaveProperty("plugin");
    expect(found(event({ agoMs: 21 * MINUTE }))).toEqual({});
  });
  test("as the newest of its kind, whichever comes first and whichever field has its time", () => {
    const old = event({ agoMs: MINUTE, message: "old" });
    const { lastTimestamp: _, ...timeless } = event({ message: "new" });
    const series: Event = {
      ...timeless,
      eventTime: secondTime(NOW - 9 * MINUTE),
      series: { count: 2, lastObservedTime: secondTime(NOW) },
    };
    for (const events of [
      [old, series],
      [series, old],
    ]) {
      expect(found(...events).plugin).toContain("new");
    }
    expect(found(timeless)).toEqual({});
  });
  test("with a text that moves no cursor and has an end", () => {
    const { plugin = "" } = found(event({ message: `\u001B[2J\n\u202E${"x".repeat(1e6)}` }));
    expect(plugin).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(plugin.length).toBeLessThan(1500);
  });
});
