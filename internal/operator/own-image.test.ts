import { expect, test } from "bun:test";
import { silentLogger } from "../cli/log.ts";
import type { Pod } from "../api/core.ts";
import type { Clock } from "../kube/clock.ts";
import { OwnImage } from "./own-image.ts";

const POD = {
  metadata: { name: "p" },
  spec: {
    containers: [
      { name: "sidecar", image: "other:1" },
      { name: "manager", image: "onloadctl:1" },
    ],
  },
} as unknown as Pod;

/** An OwnImage whose reads give `answers` one after the other, and then the pod; its clock runs as fast as it can. */
function ownImage(
  answers: (Pod | undefined | Error)[],
  pod: { name: string | undefined; namespace: string | undefined } = { name: "p", namespace: "ns" },
): { own: OwnImage; known: string[]; delays: number[]; reads: () => number } {
  const known: string[] = [];
  const delays: number[] = [];
  let reads = 0;
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after(ms, fn) {
      delays.push(ms);
      queueMicrotask(fn);
      return () => undefined;
    },
  };
  const get = (): Promise<never> => {
    const answer = reads < answers.length ? answers[reads] : POD;
    reads++;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer as never);
  };
  const own = new OwnImage({ client: { get }, pod, log: silentLogger, clock }, (image) => void known.push(image));
  return { own, known, delays, reads: () => reads };
}
const never = (): AbortSignal => new AbortController().signal;

test("the image of the operator's container is known after the first read", async () => {
  const { own, known } = ownImage([]);
  expect(await own.read(never())).toBe(true);
  expect(known).toEqual(["onloadctl:1"]);
});

test("it is read again with growing delays until it is known, and then not any more", async () => {
  const failed = new Error("Cannot get pod ns/p: no route");
  const { own, known, delays, reads } = ownImage([failed, failed, undefined, failed, failed, failed, failed, failed]);
  expect(await own.read(never())).toBe(false);
  await own.run(never());
  expect(known).toEqual(["onloadctl:1"]);
  expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
  await own.run(never());
  expect(reads()).toBe(9);
});

test("nothing is read outside of a pod", async () => {
  const { own, known, reads } = ownImage([], { name: undefined, namespace: "ns" });
  await own.run(never());
  expect([known, reads()]).toEqual([[], 0]);
});

test("being asked to stop ends the trying", async () => {
  const stop = new AbortController();
  const { own, known } = ownImage([new Error("no route")]);
  const running = own.run(stop.signal);
  stop.abort();
  await running;
  expect(known).toEqual([]);
});
