/** A Secret that a pod cannot pull with is named, by the words of the kubelet's own source. */
import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "../../api/core.ts";
import type { Event } from "../../kube/kinds.ts";
import { secondTime } from "../../kube/times.ts";
import { firstFailure } from "../kmm/module-pods.ts";
import { moduleFolder } from "../../testcluster/tools/index.ts";
import { FailureLogs, READ_AGAIN_MS } from "./failure-logs.ts";

const folder = await moduleFolder("kubernetes", "k8s.io/kubernetes");
const source = await readFile(join(folder, "pkg/kubelet/kubelet_pods.go"), "utf8");
const [, reason = "", format = ""] = /"(FailedToRetrieveImagePullSecret)", "([^"]*)", strings\.Join/.exec(source) ?? [];

const signal = new AbortController().signal;
const NOW = Date.UTC(2026, 0, 1);
/** Of a process that has run for as long. */
const STARTED = 5000;
const waiting = { reason: "ImagePullBackOff", message: "Back-off pulling image: 401 Unauthorized" };
const pod = (names: string[], why: object = waiting): Pod =>
  ({
    kind: "Pod",
    metadata: { name: "p", namespace: "ns", uid: "u" },
    spec: { imagePullSecrets: names.map((name) => ({ name })) },
    status: { containerStatuses: [{ name: "c", state: { waiting: why } }] },
  }) as unknown as Pod;

/** What is said of the pod's failure once its events were read, and what was asked of the API server. */
async function told(
  failed: Pod,
  missing: string[],
  times: Partial<Event> = { lastTimestamp: secondTime(NOW) },
): Promise<{ message: string | undefined; asked: string[] }> {
  const asked: string[] = [];
  const list = (_resource: unknown, { namespace, fieldSelector }: { namespace: string; fieldSelector: string }) => {
    asked.push(`${namespace} ${fieldSelector}`);
    const event = { reason, message: format.replace("%s", missing.join(", ")), ...times } as Event;
    return Promise.resolve({ items: missing.length > 0 ? [event] : [] });
  };
  const logs = new FailureLogs();
  for (const since of [0, 1, READ_AGAIN_MS])
    await logs.collect({ list } as never, [failed], NOW + since, STARTED + since, signal);
  return { message: firstFailure([failed], logs.logs)?.message, asked };
}

test("it is named beside those that the pod pulls with", async () => {
  const { message, asked } = await told(pod(["regcred", "other"]), ["other"]);
  expect(message).toEndWith(
    'with the Secret "regcred", "other" of namespace "ns": see that it exists there and has a login for that registry; ' +
      'the kubelet cannot read the Secret "other": it is missing there',
  );
  const question = `ns reason=${reason},involvedObject.uid=u`;
  // Not at every look.
  expect(asked).toEqual([question, question]);
});

test("several are, and all are if there are few", async () => {
  expect((await told(pod(["a", "b"]), ["a", "b"])).message).toEndWith('the Secret "a", "b": it is missing there');
});

test("none is named if the kubelet has not said so for a while: the Secret may have come meanwhile", async () => {
  const long = { lastTimestamp: secondTime(NOW - 11 * 60_000), eventTime: "nonsense" };
  expect((await told(pod(["regcred"]), ["regcred"], long)).message).toEndWith("has a login for that registry");
});

test.each<[string, Pod, string[]]>([
  ["the kubelet has all of them", pod(["regcred"]), []],
  ["a message is not the kubelet's", pod(["regcred"]), [")\u001b[31m("]],
])("none is named if %s", async (_what, failed, missing) => {
  expect((await told(failed, missing)).message).toEndWith("has a login for that registry");
});

test.each<[string, Pod]>([
  ["the pod pulls with none", pod([])],
  ["the image is not there", pod(["regcred"], { reason: "ImagePullBackOff", message: "not found" })],
])("nothing is asked if %s", async (_what, failed) => {
  expect((await told(failed, ["regcred"])).asked).toEqual([]);
});

test("it is told no longer once its event is gone, and never as the end of a log", async () => {
  const failed = pod(["regcred"]);
  const lastTimestamp = secondTime(NOW);
  const event = { reason, message: format.replace("%s", "regcred"), lastTimestamp } as Event;
  let items = [event];
  const client = { list: () => Promise.resolve({ items }) } as never;
  const logs = new FailureLogs();
  await logs.collect(client, [failed], NOW, STARTED, signal);
  expect(firstFailure([failed], logs.logs)?.message).toEndWith("it is missing there");
  const ran = pod(["regcred"], { reason: "CrashLoopBackOff", message: "back-off" });
  expect(firstFailure([ran], logs.logs)?.message).not.toContain("Secret");
  // Of a plugin that is ready by now, what its log tells is asked for by the pod's uid.
  expect(logs.logs.get("u")).toBeUndefined();
  items = [];
  await logs.collect(client, [failed], NOW + READ_AGAIN_MS, STARTED + READ_AGAIN_MS, signal);
  expect(firstFailure([failed], logs.logs)?.message).toEndWith("has a login for that registry");
});
