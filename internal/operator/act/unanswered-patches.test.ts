import { expect, test } from "bun:test";
import type { Node } from "../../api/core.ts";
import { ApiError, ConnectionError } from "../../kube/errors.ts";
import { UnansweredPatches } from "./unanswered-patches.ts";

/** A cache that has the node n1 at a resource version, or does not have it. */
const cache = (resourceVersion: string | undefined) => ({
  get: (name: string): Node | undefined =>
    resourceVersion !== undefined && name === "n1" ? ({ metadata: { name, resourceVersion } } as Node) : undefined,
});

async function after(error: unknown): Promise<UnansweredPatches> {
  const patches = new UnansweredPatches();
  const send = async (): Promise<void> => {
    if (error !== undefined) throw error;
  };
  const sent = patches.follow("n1", "100", send);
  if (error === undefined) await sent;
  else await expect(sent).rejects.toBe(error);
  return patches;
}

const answer = (status: number): ApiError => new ApiError("patch nodes n1", status, { message: "x" });

test.each<[string, unknown, boolean]>([
  ["made", undefined, false],
  ["refused because the node has changed", answer(409), false],
  ["forbidden", answer(403), false],
  ["refused by a webhook", answer(422), false],
  ["refused for now", answer(429), false],
  ["lost on the way", new ConnectionError("patch nodes n1", "https://server", "ECONNRESET", "reset"), true],
  ["answered by a proxy whose server is silent", answer(504), true],
  ["answered by a server in trouble", answer(500), true],
  ["taking too long", answer(408), true],
  ["cut short by us", new DOMException("aborted", "AbortError"), true],
])("a PATCH that is %s", async (_, error, isUnanswered) => {
  const patches = await after(error);
  expect(patches.nodes(cache("100"))).toEqual(isUnanswered ? ["n1"] : []);
});

test("counts until the cache has another version of the node, or none", async () => {
  const patches = await after(answer(500));
  expect(patches.nodes(cache("100"))).toEqual(["n1"]);
  expect(patches.nodes(cache("101"))).toEqual([]);
  // A cache does not go back. If it did, the PATCH would be known all the same.
  expect(patches.nodes(cache("100"))).toEqual([]);
  expect((await after(answer(500))).nodes(cache(undefined))).toEqual([]);
});

test("counts on when the same is sent again and refused, as it is if the first one was made", async () => {
  const patches = await after(answer(500));
  const again = patches.follow("n1", "100", async () => {
    throw answer(409);
  });
  await expect(again).rejects.toThrow();
  expect(patches.nodes(cache("100"))).toEqual(["n1"]);
  const later = patches.follow("n1", "101", async () => {
    throw answer(409);
  });
  await expect(later).rejects.toThrow();
  expect(patches.nodes(cache("101"))).toEqual([]);
});

test("counts while no answer has come", async () => {
  const patches = new UnansweredPatches();
  const { promise, resolve } = Promise.withResolvers<void>();
  const sent = patches.follow("n1", "100", () => promise);
  expect(patches.nodes(cache("100"))).toEqual(["n1"]);
  resolve();
  await sent;
  expect(patches.nodes(cache("100"))).toEqual([]);
});
