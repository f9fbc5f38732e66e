import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../testcluster/lib/poll.ts";
import { runToEnd } from "./run-on-node.ts";

const never = new AbortController().signal;
const sh = (script: string, timeoutMs = 10_000) => runToEnd(["/bin/sh", "-c", script], timeoutMs, never);

describe("a program's end", () => {
  const rows: Record<string, [string, { ok: boolean; text: string }]> = {
    good: ["echo fine", { ok: true, text: "fine" }],
    bad: ["echo out; echo err >&2; exit 3", { ok: false, text: "out err" }],
    "bad and silent": ["exit 3", { ok: false, text: "it ends with exit code 3" }],
    "by a signal": ["kill -9 $$", { ok: false, text: "it ends with SIGKILL" }],
    "with nothing to read": ["cat; echo read", { ok: true, text: "read" }],
  };
  for (const [name, [script, wanted]] of Object.entries(rows)) {
    test(name, async () => expect(await sh(script)).toEqual(wanted));
  }

  test("before it began", async () => {
    expect(await runToEnd(["/nonexistent/crictl"], 1000, never)).toMatchObject({ ok: false });
  });
});

test("a program that does not end is killed with its children, and one that left its group is not waited for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "onload-run-"));
  try {
    const began = performance.now();
    const outcome = await sh(`setsid sleep 5 & sleep 600 & echo $! >${folder}/pid; wait`, 1000);
    expect(outcome).toEqual({ ok: false, text: "it does not end within 1 s" });
    expect(performance.now() - began).toBeLessThan(4000);
    const child = Number(readFileSync(join(folder, "pid"), "utf8"));
    const isGone = (): boolean =>
      !existsSync(`/proc/${child}`) || /\) Z /.test(readFileSync(`/proc/${child}/stat`, "utf8"));
    await poll(isGone, { what: "The child's end", timeoutMs: 5000, intervalMs: 10 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("of what a program says only the end is kept, and no control character", async () => {
  const { text } = await sh(
    "head -c 2000000 /dev/zero | tr '\\0' x; printf '\\033[2J\\nconnect: no such file\\r\\n'; exit 1",
  );
  expect(text.length).toBeLessThanOrEqual(160);
  expect(text).toEndWith("x [2J connect: no such file");
});

// chroot is root's.
test.if(process.getuid?.() === 0)(
  "a program of the node has no environment, and its arguments as they are",
  async () => {
    const main = join(import.meta.dirname, "../../cmd/onloadctl.ts");
    const run = async (...command: string[]) => {
      const onNode = [process.execPath, main, "control-plane", "run-on-node", "--", "/", ...command];
      const child = Bun.spawn(onNode, { stdout: "pipe", stderr: "pipe", env: { ...process.env, NOISE: "1" } });
      const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
      return { out, err, code };
    };
    const script = 'env | grep -v "^\\(PWD\\|SHLVL\\|_\\)="; pwd; echo "$0|$1|$2"; exit 7';
    expect(await run("/bin/sh", "-c", script, "--a=b", "-K", "exec x")).toEqual({
      out: "/\n--a=b|-K|exec x\n",
      err: "",
      code: 7,
    });
    expect(await run("/nonexistent/crictl")).toEqual({
      out: "",
      err: "Cannot run /nonexistent/crictl on the node: there is no such program, or it cannot be executed\n",
      code: 1,
    });
  },
);
