import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../testcluster/lib/poll.ts";
import { OrmJson, type OrmJsonConfig } from "./orm-json.ts";

const { signal: never } = new AbortController();
const TEXT = '{"onload_version":"9.0.2","json":[{"3":{"stats":{"retransmits":5}}},{"12":{"stats":{}}}]}';
const wanted = new Set([3]);

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "onload-orm-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A reader with a shell script in the place of orm_json. */
function tool(script: string, config: OrmJsonConfig = {}): OrmJson {
  writeFileSync(join(folder, "orm_json"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, "orm_json"), 0o755);
  return new OrmJson({ path: `${folder}:/usr/bin:/bin`, timeoutMs: 10_000, ...config });
}

async function running(mark: string): Promise<boolean> {
  return (await new Response(Bun.spawn(["pgrep", "-cf", `^sleep ${mark}`]).stdout).text()).trim() !== "0";
}

test("the tool is run with its words, without Onload's library, and what it prints is read", async () => {
  process.env["LD_PRELOAD"] ??= "";
  const reader = tool(
    `test "$*" = "--dblbuf stats more_stats" || exit 8
     test "$(env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^PATH=)" = "" || exit 9
     echo a warning >&2
     printf '%s' '${TEXT}'`,
  );
  expect(await reader.read(wanted, never)).toEqual({
    total: 2,
    stacks: [{ id: 3, values: { tcp_retransmits: 5 } }],
  });
  expect(await reader.read(new Set(), never)).toEqual({ total: 2, stacks: [] });
});

test.each<[string, string, OrmJsonConfig, string]>([
  [
    "fails",
    "echo 'orm_map_stacks: Fail: oo_fd_open()=-22.  Onload drivers loaded?' >&2; exit 1",
    {},
    "oo_fd_open()=-22",
  ],
  ["fails without a word", "exit 3", {}, "it ends with exit code 3"],
  ["is killed", "kill -9 $$", {}, "it ends with SIGKILL"],
  ["says controls", "printf '\\033[2Jno' >&2; exit 1", {}, "orm_json: [2Jno"],
  ["prints nonsense", "echo Segmentation fault", {}, "it is other text, which is not JSON"],
  ["prints nothing", "true", {}, "it is empty, which is not JSON"],
  ["never stops to print", "yes '{'", { maxBytes: 100_000 }, "it prints more than 100000 bytes"],
  ["never stops to complain", "yes no >&2", { timeoutMs: 500 }, "it does not end within 0.5 s"],
])("a tool that %s is no harm", async (_what, script, config, reason) => {
  const reading = tool(script, config).read(wanted, never);
  await expect(reading).rejects.toThrow("Cannot read the counters of stacks: orm_json: ");
  await expect(reading).rejects.toThrow(reason);
});

test("a tool that the image lacks is said so", async () => {
  const reader = new OrmJson({ path: folder });
  await expect(reader.read(wanted, never)).rejects.toThrow("orm_json: the user image does not have it");
  // It has not run, so that it can be tried again.
  await expect(reader.read(wanted, never)).rejects.toThrow("orm_json: the user image does not have it");
});

test("a tool that hangs is killed with what it has started, and then another may run", async () => {
  const mark = `61${process.pid}.5`;
  const reader = tool(`if [ -e ${folder}/well ]; then printf '%s' '${TEXT}'; else sleep ${mark} & wait; fi`, {
    timeoutMs: 700,
  });
  await expect(reader.read(wanted, never)).rejects.toThrow("it does not end within 0.7 s");
  await poll(async () => !(await running(mark)), { what: "The end of what it has started" });
  writeFileSync(join(folder, "well"), "");
  await poll(() => reader.read(wanted, never).catch(() => undefined), { what: "The next reading" });
});

test("a tool that leaves a child with its output, in a session of its own, is not waited for", async () => {
  const pid = join(folder, "pid");
  const reader = tool(`printf '%s' '${TEXT}'; setsid sleep 60 & echo $! > ${pid}; exit 0`, { timeoutMs: 700 });
  await expect(reader.read(wanted, never)).rejects.toThrow("it does not end within 0.7 s");
  process.kill(Number(await Bun.file(pid).text()));
});

test("there is never more than one tool", async () => {
  const mark = `63${process.pid}.5`;
  const reader = tool(`sleep ${mark}`);
  const stop = new AbortController();
  const first = reader.read(wanted, stop.signal);
  await poll(() => running(mark), { what: "The tool" });
  await expect(reader.read(wanted, never)).rejects.toThrow("has not ended");
  stop.abort();
  await expect(first).rejects.toThrow("it was stopped");
  await poll(async () => !(await running(mark)), { what: "The end of the tool" });
});
