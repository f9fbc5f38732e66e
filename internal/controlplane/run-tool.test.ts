import { expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { poll } from "../testcluster/lib/poll.ts";
import { runTool } from "./run-tool.ts";

const { signal: never } = new AbortController();
const LONG = { silenceMs: 60_000, graceMs: 60_000 };

/** A shell that notes in a file how it ends, and a child of its own that would stay. */
function shell(script: string): string[] {
  return ["/bin/sh", "-c", script];
}

test("the tool's exit code is given, and it has no environment but a PATH", async () => {
  process.env["LD_PRELOAD"] ??= "";
  expect(await runTool({ ...LONG, command: shell("exit 7") }, new PassThrough(), never)).toBe(7);
  const script = 'test "$(env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^PATH=)" = "" || exit 9';
  expect(await runTool({ ...LONG, command: shell(script) }, new PassThrough(), never)).toBe(0);
});

test.each<[string, (input: PassThrough) => void, Partial<typeof LONG>]>([
  ["its caller asks for it", (input) => input.write("..q"), {}],
  ["its caller goes away", (input) => input.end(), {}],
  ["its caller is silent", () => undefined, { silenceMs: 200 }],
])("the tool is interrupted when %s", async (_what, act, limits) => {
  const input = new PassThrough();
  const command = shell("trap 'exit 5' INT; while :; do sleep 0.05; done");
  const code = runTool({ ...LONG, ...limits, command }, input, never);
  act(input);
  // A shell that had not set its trap yet ends by the signal.
  expect([5, 130]).toContain(await code);
});

test("a tool that heeds no interruption is killed, with what it has started", async () => {
  const input = new PassThrough();
  const mark = `31${process.pid}.5`;
  const command = shell(`trap '' INT; sleep ${mark} & wait; sleep ${mark}`);
  const code = runTool({ ...LONG, graceMs: 300, command }, input, never);
  const sleeps = async (): Promise<number> =>
    (await new Response(Bun.spawn(["pgrep", "-cf", `^sleep ${mark}`]).stdout).text()).trim() === "0" ? 0 : 1;
  await poll(async () => (await sleeps()) === 1, { what: "The tool's own child" });
  input.end();
  expect(await code).toBe(137);
  await poll(async () => (await sleeps()) === 0, { what: "The end of the tool's own child" });
});

test("a tool that the image lacks is said so", async () => {
  const run = runTool({ ...LONG, command: ["onload_nothing"] }, new PassThrough(), never);
  await expect(run).rejects.toThrow("Cannot run onload_nothing: the user image does not have it");
});
