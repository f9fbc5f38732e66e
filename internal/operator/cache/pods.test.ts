import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import { podFailure } from "./pods.ts";

type Deep = DeepReadonly<Pod>;
const pod = (part: object): Deep =>
  ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "ns" }, ...part }) as Deep;
describe("what failed in a pod", () => {
  const waiting = (reason: string, message = "m", lastState: object = {}): Deep =>
    pod({ status: { containerStatuses: [{ name: "c", state: { waiting: { reason, message } }, lastState }] } });
  test.each([
    ["ImagePullBackOff", "image"],
    ["InvalidImageName", "image"],
    ["CrashLoopBackOff", "run"],
    ["PostStartHookError", "run"],
  ])("%s", (reason, kind) => {
    expect(podFailure(waiting(reason))).toMatchObject({ kind, message: `Pod p: container c: ${reason}: m` });
  });
  // The words of containerd, CRI-O, Docker Hub, Amazon's registry and Harbor.
  test.each([
    `Back-off pulling image "r/m:1": ErrImagePull: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://r/token: 401 Unauthorized`,
    `pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`,
    `initializing source docker://r/m:1: reading manifest 1 in r/m: unauthorized: authentication required`,
    `reading manifest 1 in docker.io/a/b: denied: requested access to the resource is denied`,
    `unexpected status code https://r/v2/m/manifests/1: 403 Forbidden`,
    `no basic auth credentials`,
  ])("a registry that wants another login: %s", (message) => {
    const pulling = waiting("ImagePullBackOff", message);
    const told = (spec: object): string => podFailure({ ...pulling, spec } as Deep)!.message;
    expect(told({})).toEndWith("; it pulls without a login: name a Secret in spec.imagePullSecrets");
    expect(told({ imagePullSecrets: [{ name: "regcred" }, { name: "other" }, {}] })).toEndWith(
      `; it pulls with the Secret "regcred", "other" of namespace "ns": see that it exists there and has a login for that registry`,
    );
  });
  test.each([`not found: r/m:1-4.18.0-401.el8`, `Back-off pulling image "r/m:403"`])("%s is no login", (message) => {
    expect(podFailure(waiting("ImagePullBackOff", message))!.message).toEndWith(message);
  });
  test.each(["ContainerCreating", "PodInitializing", "ErrImagePull"])("%s is none yet", (reason) => {
    expect(podFailure(waiting(reason))).toBeUndefined();
  });
  test("the exit code and message of what crashed are quoted", () => {
    const crashed = waiting("CrashLoopBackOff", "back-off", {
      terminated: { exitCode: 1, message: "modprobe:\n FATAL" },
    });
    expect(podFailure(crashed)?.message).toBe("Pod p: container c: CrashLoopBackOff: exit code 1: modprobe: FATAL");
  });
  test("the output of a hook is read from the kubelet's event about it", () => {
    const message = `Exec lifecycle hook ([/bin/sh -c modprobe onload]) for Container "c" in Pod "p_n(u)" failed - error: command '/bin/sh' exited with 1: , message: "modprobe: ERROR: could not insert 'onload':\\n\\t\\"Invalid\\"\\n"`;
    const ended = { terminated: { exitCode: 143 } };
    expect(podFailure(waiting("PostStartHookError", message, ended))).toEqual({
      kind: "run",
      container: "c",
      message: "Pod p: container c: PostStartHookError: exit code 143",
      hookOutput: `modprobe: ERROR: could not insert 'onload': | "Invalid"`,
    });
  });
  test("a pod that is ended by a signal on its way out has not failed", () => {
    const containerStatuses = [{ name: "c", state: { terminated: { exitCode: 143 } } }];
    const metadata = { name: "p", deletionTimestamp: "2026-01-01T00:00:00Z" };
    expect(podFailure(pod({ metadata, status: { containerStatuses } }))).toBeUndefined();
  });
  test("a pod that failed as a whole", () => {
    expect(podFailure(pod({ status: { phase: "Failed", reason: "Evicted", message: "disk" } }))?.message).toBe(
      "Pod p: Evicted: disk",
    );
  });
  test("a container that ended well has not failed", () => {
    expect(
      podFailure(pod({ status: { initContainerStatuses: [{ name: "i", state: { terminated: { exitCode: 0 } } }] } })),
    ).toBeUndefined();
  });
});
