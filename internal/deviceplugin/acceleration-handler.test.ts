import { expect, test } from "bun:test";
import { ProbeServer, type Answer, type Handler } from "../probes/server.ts";
import { accelerationHandler } from "./acceleration-handler.ts";
import type { NodeKnowledge } from "./pod-monitor.ts";

const NODE: NodeKnowledge = {
  healthy: true,
  problems: [],
  controlPlane: null,
  module: { version: null, acceleratesVeth: null },
  nics: [],
};

/** A node that has been looked at so often; a look makes its text another one. */
function fake() {
  return {
    looks: 1,
    texts: 0,
    get lookedAt() {
      return this.looks;
    },
    text() {
      this.texts++;
      return `look ${this.looks}\n`;
    },
    async lookAnew() {
      this.looks++;
    },
  };
}

function ask(handler: Handler, query = ""): Promise<Answer> {
  return handler({ method: "GET", path: "/acceleration", query, token: undefined }) as Promise<Answer>;
}

test("who asks for too much shares an answer, until there is something new", async () => {
  const pods = fake();
  let now = 5000;
  const handler = accelerationHandler(
    pods,
    () => NODE,
    () => now,
  );
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(handler)));
  // One object is made into bytes once.
  expect(new Set(answers).size).toBe(1);
  expect(pods.texts).toBe(1);
  expect((await ask(handler, "look=now")).body).toBe("look 2\n");
  now += 1000;
  expect((await ask(handler)).body).toBe("look 2\n");
  expect(pods.texts).toBe(3);
});

test("only who says so has the node looked at", async () => {
  const pods = fake();
  const server = await ProbeServer.listen(
    { host: "127.0.0.1", port: 0 },
    { "/acceleration": accelerationHandler(pods, () => NODE) },
  );
  try {
    const get = async (query: string): Promise<string> =>
      await (await fetch(`http://127.0.0.1:${server.port}/acceleration${query}`)).text();
    for (const query of ["", "?", "?look=later", "?x&look=now"]) expect(await get(query)).toBe("look 1\n");
    expect(await get("?look=now")).toBe("look 2\n");
  } finally {
    await server.close();
  }
});
