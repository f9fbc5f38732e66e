import { expect, test } from "bun:test";
import { metricsHandler } from "./metrics-handler.ts";
import type { Answer } from "./server.ts";

test("metrics are rendered once a second at most, and shared by all who ask meanwhile", async () => {
  let now = 5000;
  let rendered = 0;
  const first = Promise.withResolvers<void>();
  const source = {
    contentType: "text/plain; version=0.0.4",
    metrics: async () => {
      const text = `${++rendered}`;
      await first.promise;
      return text;
    },
  };
  const ask = metricsHandler(source, () => now) as () => Promise<Answer>;
  const early = Array.from({ length: 100 }, () => ask());
  first.resolve();
  const bodies = new Set((await Promise.all(early)).map(({ body }) => body));
  expect(bodies).toEqual(new Set(["1"]));
  now += 999;
  expect(await ask()).toEqual({ status: 200, body: "1", contentType: "text/plain; version=0.0.4" });
  now += 1;
  expect((await ask()).body).toBe("2");
  expect(rendered).toBe(2);
});

test("a failure is told to those who asked, and is not all there is for ever", async () => {
  let now = 0;
  let broken = true;
  const text = async (): Promise<string> => {
    if (broken) throw new Error("no metrics");
    return "text";
  };
  const ask = metricsHandler({ contentType: "text/plain", metrics: text }, () => now) as () => Promise<Answer>;
  await expect(ask()).rejects.toThrow("no metrics");
  broken = false;
  now += 1000;
  expect((await ask()).body).toBe("text");
});
