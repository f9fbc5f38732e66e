import { describe, expect, test } from "bun:test";
import type { Access } from "../kube/access-review.ts";
import { FakeClock } from "../kube/testing/fake-clock.ts";
import type { Answer } from "../probes/server.ts";
import { MetricsAccess } from "./metrics-access.ts";

/** An API server that knows some tokens, and counts how often it is asked. */
function build(tokens: Record<string, Access | Error>) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const access = new MetricsAccess(async (token, path) => {
    asked.push(`${token} ${path}`);
    const known = tokens[token] ?? "unauthenticated";
    if (known instanceof Error) throw known;
    return known;
  }, clock);
  const handler = access.guard(() => ({ status: 200, body: "metrics" }));
  const get = async (token: string | undefined, path = "/metrics"): Promise<number> =>
    ((await handler({ method: "GET", path, query: "", token })) as Answer).status;
  return { clock, asked, get };
}

describe("who asks for metrics", () => {
  test.each<[string, string | undefined, number]>([
    ["without a token", undefined, 401],
    ["with somebody's token who may", "prometheus", 200],
    ["with somebody's token who may not", "pod", 403],
    ["with nobody's token", "made-up", 401],
  ])("%s", async (_who, token, status) => {
    const { get } = build({ prometheus: "allowed", pod: "forbidden" });
    expect(await get(token)).toBe(status);
  });

  test("is asked about once a minute at most, for each path", async () => {
    const { get, asked, clock } = build({ prometheus: "allowed" });
    expect(await Promise.all([get("prometheus"), get("prometheus")])).toEqual([200, 200]);
    await clock.advance(59_999);
    expect(await get("prometheus")).toBe(200);
    expect(asked).toEqual(["prometheus /metrics"]);
    await clock.advance(1);
    await get("prometheus");
    await get("prometheus", "/other");
    expect(asked).toEqual(["prometheus /metrics", "prometheus /metrics", "prometheus /other"]);
  });

  test("loses the right within a minute", async () => {
    const tokens: Record<string, Access> = { prometheus: "allowed" };
    const { get, clock } = build(tokens);
    expect(await get("prometheus")).toBe(200);
    tokens["prometheus"] = "forbidden";
    await clock.advance(60_000);
    expect(await get("prometheus")).toBe(403);
    tokens["prometheus"] = "allowed";
    expect(await get("prometheus")).toBe(200);
  });

  test("with ever new tokens costs the API server little, and keeps nobody out who is known", async () => {
    const { get, asked, clock } = build({ prometheus: "allowed" });
    expect(await get("prometheus")).toBe(200);
    const flood = async (): Promise<number[]> =>
      Promise.all(Array.from({ length: 1000 }, (_, i) => get(`stranger-${i}`)));
    const answers = await flood();
    expect(asked.length).toBeLessThanOrEqual(10);
    expect(answers.filter((status) => status === 429).length).toBeGreaterThanOrEqual(990);
    // Even when it has to be asked about anew.
    await clock.advance(60_000);
    await flood();
    expect(await get("prometheus")).toBe(200);
    expect(asked.length).toBeLessThanOrEqual(22);
  });

  test("is told if the API server does not say, and asks again", async () => {
    const tokens: Record<string, Access | Error> = { prometheus: new Error("no answer") };
    const { get } = build(tokens);
    await expect(get("prometheus")).rejects.toThrow("no answer");
    tokens["prometheus"] = "allowed";
    expect(await get("prometheus")).toBe(200);
  });
});
