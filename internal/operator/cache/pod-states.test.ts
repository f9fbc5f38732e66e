/** What a pod's status says beside what has failed: whether it is there, ready or ended, since when, and what it is at. */
import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import { devicePluginName, PLUGIN_NAME_LABEL } from "../../api/names.ts";
import { failureText, isFinished, isPluginOf, isReady, oneLine, podFailure, podSince, progressOf } from "./pods.ts";

type Deep = DeepReadonly<Pod>;
const GOES = { deletionTimestamp: "2026-01-01T00:05:00Z" };
const pod = (status: object, metadata: object = {}, spec: object = {}): Deep =>
  ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "ns", ...metadata }, spec, status }) as Deep;
const ready = (status: "True" | "False", lastTransitionTime?: string): object => ({
  conditions: [{ type: "Ready", status, lastTransitionTime }],
});

test("a resource's plugin is known by its label and its namespace", () => {
  const labels = { [PLUGIN_NAME_LABEL]: devicePluginName("o") };
  const isOurs = (metadata: object): boolean => isPluginOf({ namespace: "ns", name: "o" }, pod({}, metadata));
  expect([isOurs({ labels }), isOurs({ labels, namespace: "other" }), isOurs({})]).toEqual([true, false, false]);
  expect(isPluginOf({ namespace: "ns", name: "p" }, pod({}, { labels }))).toBeFalse();
});

test("a pod that goes is not Ready, whatever its condition says", () => {
  expect([isReady(pod(ready("True"))), isReady(pod(ready("False"))), isReady(pod(ready("True"), GOES))]).toEqual([
    true,
    false,
    false,
  ]);
});

test("a pod is there since it was made, or since its readiness changed, whichever is later", () => {
  const [early, late] = ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"];
  const since = (made: string | undefined, changed: string | undefined) =>
    podSince(pod(ready("True", changed), { creationTimestamp: made }));
  expect(since(early, late)).toBe(Date.parse(late));
  expect(since(late, early)).toBe(Date.parse(late));
  expect(since(early, undefined)).toBe(Date.parse(early));
  expect(since(undefined, undefined)).toBeUndefined();
});

describe("a pod has ended", () => {
  const spec = { containers: [{ name: "a" }, { name: "b" }], initContainers: [{ name: "i" }] };
  const ended = (...names: string[]): object => ({
    phase: "Running",
    containerStatuses: ["a", "b"].map((name) => ({
      name,
      state: names.includes(name) ? { terminated: {} } : { running: {} },
    })),
    initContainerStatuses: names.includes("i") ? [{ name: "i", state: { terminated: {} } }] : [],
  });
  test.each<[string, Deep, boolean]>([
    ["by its phase", pod({ phase: "Succeeded" }), true],
    ["by its phase, badly", pod({ phase: "Failed" }), true],
    ["not while it runs", pod({ phase: "Running" }, {}, spec), false],
    ["if it goes, and each of its containers has ended", pod(ended("a", "b", "i"), GOES, spec), true],
    ["not if it goes, and one of them still runs", pod(ended("a", "i"), GOES, spec), false],
    ["not if it goes, and nothing is known of one", pod(ended("a", "b"), GOES, spec), false],
    ["not if all have ended, and it stays: they may be started again", pod(ended("a", "b", "i"), {}, spec), false],
    ["not if it goes, and its containers are not known", pod(ended("a", "b", "i"), GOES), false],
  ])("%s", (_when, each, finished) => {
    expect(isFinished(each)).toBe(finished);
  });
});

describe("what a pod is at", () => {
  const waiting = (reason: string, message?: string): object => ({
    phase: "Pending",
    containerStatuses: [{ name: "c", state: { waiting: { reason, message } } }],
  });
  const spec = { containers: [{ name: "c", image: "r/i:1" }] };
  test.each<[string, Deep]>([
    ["is ending", pod({}, GOES)],
    [
      "is not scheduled: no node fits",
      pod({ conditions: [{ type: "PodScheduled", status: "False", message: "no node\n fits" }] }),
    ],
    ["is being started, or its image r/i:1 is pulled", pod(waiting("ContainerCreating"), {}, spec)],
    ["is being started", pod(waiting("PodInitializing"))],
    ["waits in container c: CrashLoopBackOff: m", pod(waiting("CrashLoopBackOff", "m"), {}, spec)],
    ["runs, and is not Ready", pod({ phase: "Running" })],
    ["has not been started", pod({ phase: "Pending" })],
  ])("%s", (text, each) => {
    expect(progressOf([each])).toBe(`pod ns/p ${text}`);
  });
  test("is that of the first which is neither Ready nor at its end", () => {
    const [done, fine, next] = [pod({ phase: "Succeeded" }), pod(ready("True")), pod({}, { name: "q" })];
    expect(progressOf([done, fine, next])).toStartWith("pod ns/q ");
    expect(progressOf([done, fine])).toBeUndefined();
  });
});

describe("a failure", () => {
  const failing = (reason: string, message = "m"): Deep =>
    pod({ containerStatuses: [{ name: "c", state: { waiting: { reason, message } } }] }, { uid: "u" });
  const texts = new Map([
    ["u", "the log"],
    ["u secrets", "the Secret"],
  ]);
  const textOf = (each: Deep): string => failureText(each, podFailure(each)!, texts);
  test.each(["CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"])(
    "of a container that cannot be started: %s",
    (reason) => expect(podFailure(failing(reason))).toMatchObject({ kind: "run", container: "c" }),
  );
  test("of an image is told with its Secret, and one of a container with its log", () => {
    expect(textOf(failing("ErrImageNeverPull"))).toBe("Pod p: container c: ErrImageNeverPull: m; the Secret");
    expect(textOf(failing("CrashLoopBackOff"))).toBe("Pod p: container c: CrashLoopBackOff: m; its log ends: the log");
  });
  test("of an init container comes first: the others wait for it", () => {
    const state = { waiting: { reason: "CrashLoopBackOff", message: "m" } };
    const statuses = { containerStatuses: [{ name: "c", state }], initContainerStatuses: [{ name: "i", state }] };
    expect(podFailure(pod(statuses))!.container).toBe("i");
  });
  test("has a text with an end, on one line", () => {
    const { message } = podFailure(failing("CrashLoopBackOff", `a\n  b${"x".repeat(10_000)}`))!;
    expect(message).toStartWith("Pod p: container c: CrashLoopBackOff: a bx");
    expect(message.length).toBeLessThan(600);
  });
});

test("of a long log the end is quoted, on one line", () => {
  const log = `${"x".repeat(1000)}\n  the cause\n\nFATAL\n`;
  expect(oneLine(log)).toEndWith("x | the cause | FATAL");
  expect(oneLine(log)).toHaveLength(600);
});
