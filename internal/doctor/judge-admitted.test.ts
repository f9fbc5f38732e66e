/** What doctor says of pods that do not run, or not for long, in the words in which the kubelet reports them. */
import { expect, test } from "bun:test";
import type { ContainerStatus, Pod } from "../api/core.ts";
import { podLinks } from "./judge-pod.ts";
import type { LinkName } from "./links.ts";
import { answering, container, NOW, podFacts, podObject, running } from "./testing/facts.ts";

const BACK_OFF = { reason: "CrashLoopBackOff", message: "back-off 5m0s restarting failed container=app" };
/** A container of which no process was seen. */
const GONE = {
  processes: {},
  accelerated: undefined,
  stacks: 0,
  stackIds: [],
  sockets: [],
  interfaces: [],
};
const ASKS = { resources: { limits: { "amd.com/onload": "1" } } };

function pod(status: Pod["status"], spec: Pod["spec"] = {}): Pod {
  return podObject(status, spec);
}

function linkOf(name: LinkName, facts: Parameters<typeof podFacts>[0]): string {
  const { verdict, seen, todo } = podLinks(podFacts(facts), NOW).find(({ link }) => link === name)!;
  return `${verdict}: ${seen}${todo === "" ? "" : ` -> ${todo}`}`;
}

function statuses(...list: ContainerStatus[]): Pod["status"] {
  return { phase: "Running", containerStatuses: list };
}

function ended(exitCode: number, reason: string): { terminated: { exitCode: number; reason: string } } {
  return { terminated: { exitCode, reason } };
}

test.each<[string, Pod, string | RegExp]>([
  [
    "it ends again and again, which Kubernetes calls Running",
    pod(
      statuses({
        name: "app",
        containerID: "c://1",
        state: { waiting: BACK_OFF },
        lastState: ended(1, "Error"),
      }),
    ),
    "failed: app does not run: CrashLoopBackOff: back-off 5m0s restarting failed container=app; it ended with exit code 1 (Error) -> See `kubectl logs trader-0 -n trading -c app`",
  ],
  [
    "its loader cannot load a library",
    pod(statuses({ name: "app", containerID: "c://1", state: { waiting: BACK_OFF }, lastState: ended(127, "Error") })),
    /^failed: app .*exit code 127 \(Error\) -> See `kubectl logs .*`; with 127 a loader ends .* musl/,
  ],
  [
    "it has just ended",
    pod(statuses({ name: "app", containerID: "c://1", state: ended(137, "OOMKilled") })),
    "failed: app does not run: it ended with exit code 137 (OOMKilled) -> See `kubectl logs trader-0 -n trading -c app`",
  ],
  [
    "it has done its work, and another container goes on",
    pod(
      statuses(
        { name: "app", containerID: "c://1", state: ended(0, "Completed") },
        { name: "log", containerID: "c://2", state: { running: {} } },
      ),
      { containers: [{ name: "app", ...ASKS }, { name: "log" }] },
    ),
    "warning: app does not run: it ended with exit code 0 (Completed) -> Only what runs can be looked into",
  ],
  [
    "one of two has done its work, and the other ends again and again",
    pod(
      statuses(
        { name: "warm", containerID: "c://1", state: ended(0, "Completed") },
        { name: "app", containerID: "c://2", state: { waiting: BACK_OFF }, lastState: ended(1, "Error") },
      ),
      {
        containers: [
          { name: "warm", ...ASKS },
          { name: "app", ...ASKS },
        ],
      },
    ),
    /^failed: warm does not run.*app does not run.* -> See `kubectl logs trader-0 -n trading -c app`$/,
  ],
  [
    "another container ends again and again",
    pod(
      statuses(
        { name: "app", containerID: "c://1", state: { running: {} } },
        { name: "log", containerID: "c://2", state: { waiting: BACK_OFF } },
      ),
      { containers: [{ name: "app", ...ASKS }, { name: "log" }] },
    ),
    "ok: It runs",
  ],
  [
    "a sidecar ends again and again",
    pod(
      {
        phase: "Running",
        initContainerStatuses: [{ name: "side", containerID: "c://1", state: { waiting: BACK_OFF } }],
        containerStatuses: [{ name: "app", containerID: "c://2", state: { running: {} } }],
      },
      { containers: [{ name: "app" }], initContainers: [{ name: "side", ...ASKS, restartPolicy: "Always" }] },
    ),
    /^failed: side does not run: CrashLoopBackOff: .* -> See `kubectl logs trader-0 -n trading -c side`$/,
  ],
  [
    "an init container that asks has ended, as it should",
    pod(
      {
        phase: "Running",
        initContainerStatuses: [{ name: "warm", containerID: "c://1", state: ended(0, "Completed") }],
        containerStatuses: [{ name: "app", containerID: "c://2", state: { running: {} } }],
      },
      { initContainers: [{ name: "warm", ...ASKS }] },
    ),
    "ok: It runs",
  ],
  [
    "the kubelet has ended it",
    pod({
      phase: "Failed",
      reason: "Evicted",
      message: "The node was low on resource: ephemeral-storage.",
      containerStatuses: [{ name: "app", containerID: "c://1", state: ended(137, "Error") }],
    }),
    "warning: It has ended (Failed): Evicted: The node was low on resource: ephemeral-storage. -> Only what runs can be looked into",
  ],
  [
    "its program has failed",
    pod({
      phase: "Failed",
      containerStatuses: [{ name: "app", containerID: "c://1", state: ended(127, "Error") }],
    }),
    /^warning: It has ended \(Failed\): app ended with exit code 127 \(Error\) -> .*musl/,
  ],
  [
    "no NUMA node has all that it asks for",
    pod({
      phase: "Failed",
      reason: "TopologyAffinityError",
      message: "Pod was rejected: Resources cannot be allocated",
    }),
    /^failed: The kubelet did not run it: TopologyAffinityError: .* -> .*one NUMA node.*delete this pod/,
  ],
  [
    "its node has other labels by now",
    pod({ phase: "Failed", reason: "NodeAffinity", message: "Pod was rejected: Predicate NodeAffinity failed" }),
    "failed: The kubelet did not run it: NodeAffinity: Pod was rejected: Predicate NodeAffinity failed -> Correct what the kubelet names, then delete this pod; its controller creates another",
  ],
  [
    "its node has no device",
    pod({ phase: "Failed", reason: "OutOfamd.com/onload", message: "Pod was rejected: Node didn't have enough" }),
    /-> Delete this pod; its controller then creates another. The link devices says what is wrong now$/,
  ],
])("%s", (_, object, expected) => {
  const seen = linkOf("admitted", { pod: object });
  if (typeof expected === "string") expect(seen).toBe(expected);
  else expect(seen).toMatch(expected);
});

const PROCESS_LINKS: readonly LinkName[] = ["library", "interface", "stacks", "sockets", "filters"];

test("of a container that does not run nobody is told to ask again", () => {
  const crashing = pod(statuses({ name: "app", containerID: "c://1", state: { waiting: BACK_OFF } }));
  for (const name of PROCESS_LINKS) {
    expect(linkOf(name, { pod: crashing, node: running(GONE) })).toBe("unknown: It does not run -> See admitted");
  }
  // It may have begun again since.
  expect(linkOf("library", { pod: crashing })).toBe("ok: 2 of 2 processes have Onload's library");
});

test("the kubelet tells nobody of init containers", () => {
  const init = pod(
    { phase: "Running" },
    { containers: [{ name: "app" }], initContainers: [{ name: "warm", ...ASKS }] },
  );
  for (const name of PROCESS_LINKS) {
    expect(linkOf(name, { pod: init, node: answering({ containers: [] }) })).toMatch(
      /^unknown: Only init containers ask for it, of which the kubelet tells no device plugin/,
    );
  }
  const sidecar = pod(
    { phase: "Running" },
    { containers: [{ name: "app" }], initContainers: [{ name: "warm", ...ASKS, restartPolicy: "Always" }] },
  );
  expect(linkOf("library", { pod: sidecar, node: answering({ containers: [] }) })).toMatch(/^unknown: The kubelet has/);
});

test("a runtime class may keep programs off the node's kernel", () => {
  const sandboxed = pod({ phase: "Running" }, { runtimeClassName: "gvisor" });
  expect(linkOf("library", { pod: sandboxed, node: running(GONE) })).toBe(
    'unknown: None of its processes is on the node: the runtime class "gvisor" may run them on a kernel of their own, which has no Onload -> Ask again in 30 s; if it stays so, use a runtime class that runs programs on the node\'s kernel',
  );
  // What runs on the node's kernel after all is judged like any other.
  expect(linkOf("library", { pod: sandboxed })).toBe("ok: 2 of 2 processes have Onload's library");
  expect(linkOf("library", { node: answering({ containers: [container(GONE)] }) })).toBe(
    "unknown: No process of the container was seen yet -> Ask again in 30 s",
  );
});
