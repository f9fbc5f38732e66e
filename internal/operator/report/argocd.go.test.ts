/** The health script of the README, run by the Lua interpreter that Argo CD uses. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { checkout } from "../../testcluster/lib/paths.ts";
import { tool } from "../../testcluster/tools/index.ts";
import { SITUATIONS, waited, type Waited } from "../testing/situations.ts";

// The Go compiler is not among what a test is timed for.
const program = await tool("go-lua");
const readme = await readFile(join(checkout, "README.md"), "utf8");
const script = /```lua\n(.*?)```/s.exec(readme)![1]!;

async function health(resources: readonly Waited[]): Promise<{ status: string; message: string }[]> {
  const child = spawn(program, [script], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(resources.map((resource) => `${JSON.stringify(resource)}\n`).join(""));
  const lines = (await text(child.stdout)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as { status: string; message: string });
}

test("Argo CD gives every situation its health, with a message", async () => {
  const found = await health(SITUATIONS.map(([, given]) => waited(given)));
  const expected = SITUATIONS.map(([what, , , verdict]) => `${what}: ${verdict}`);
  expect(SITUATIONS.map(([what], i) => `${what}: ${found[i]?.status}`)).toEqual(expected);
  for (const { message } of found) expect(message).not.toBe("");
});

test("a resource is Progressing before the operator has looked at it, and after its spec was changed", async () => {
  const { metadata, status } = waited({});
  const found = await health([
    { metadata: { generation: 1 } },
    { metadata: { generation: 1 }, status: { observedGeneration: -1 } },
    { metadata: { ...metadata, generation: 4 }, status: status! },
  ]);
  expect(found.map((each) => each.status)).toEqual(["Progressing", "Progressing", "Progressing"]);
});
