import { expect, test } from "bun:test";
import { join } from "node:path";
import { checkout } from "../testcluster/lib/paths.ts";
import { counted } from "./counted.ts";

test("one is one", () => {
  expect([0, 1, 2].map((count) => counted(count, "node"))).toEqual(["0 nodes", "1 node", "2 nodes"]);
  expect([1, 2].map((count) => counted(count, "pod is", "pods are"))).toEqual(["1 pod is", "2 pods are"]);
});

const THINGS =
  "nodes|pods|images|variables|processes|stacks|lines|resources|containers|files|objects|profiles|kernels|devices|settings|warnings|findings|namespaces|sockets|budgets";

test("no text counts things without a look at whether it is one", async () => {
  const found: string[] = [];
  for (const file of new Bun.Glob("{cmd,internal}/**/*.ts").scanSync(checkout)) {
    if (/\.(?:test|gen)\.ts$|\/testing\/|testcluster/.test(file)) continue;
    const text = await Bun.file(join(checkout, file)).text();
    for (const [whole] of text.matchAll(new RegExp(String.raw`\$\{[^{}]*\}(?: more)? (?:${THINGS})\b`, "g"))) {
      // A limit is never one, and those that are only named if there are several are not either.
      if (!/^\$\{(?:MAX|objects\.length|all\.length)/.test(whole)) found.push(`${file}: ${whole}`);
    }
  }
  expect(found).toEqual([]);
});
