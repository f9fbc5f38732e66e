import { describe, expect, test } from "bun:test";
import { processRunner as runner } from "./runner.ts";
import type { Readable } from "node:stream";
import { LimitError } from "./limits.ts";
import { bytes } from "./tar.ts";

describe("run", () => {
  test("gives both streams, whole lines and the exit code", async () => {
    const lines: string[] = [];
    const script = "printf 'a\\nb'; printf 'c\\nlast' ; printf 'err\\n' >&2; exit 3";
    const result = await runner.run(["sh", "-c", script], { onLine: (line) => lines.push(line) });
    expect(result.code).toBe(3);
    expect(result.stdout).toBe("a\nbc\nlast");
    expect(result.output).toContain("err");
    expect(lines.sort()).toEqual(["a", "bc", "err", "last"]);
  });

  test("says which program cannot be started", () => {
    expect(runner.run(["/no/such/program"])).rejects.toThrow("Cannot run /no/such/program");
  });

  test("an abort ends the program and its children before it returns", async () => {
    const stop = new AbortController();
    let child = 0;
    const run = runner.run(["sh", "-c", "sleep 1000 & echo $!; wait"], {
      signal: stop.signal,
      onLine: (line) => {
        child = Number(line);
        stop.abort(new DOMException("Stopped", "AbortError"));
      },
    });
    await expect(run).rejects.toThrow("Stopped");
    expect(child).toBeGreaterThan(0);
    // Dead, or a zombie that whoever adopted it has not buried yet.
    const state = await Bun.file(`/proc/${child}/stat`)
      .text()
      .catch(() => "gone");
    expect(state).toMatch(/^gone$|\) Z /);
  });

  test("a gentle abort lets the program see its children fail and clear up", async () => {
    const stop = new AbortController();
    const lines: string[] = [];
    const run = runner.run(["sh", "-c", "echo begun; sleep 1000; echo cleared"], {
      signal: stop.signal,
      gentle: true,
      onLine: (line) => {
        lines.push(line);
        stop.abort(new DOMException("Stopped", "AbortError"));
      },
    });
    await expect(run).rejects.toThrow("Stopped");
    expect(lines).toContain("cleared");
  });

  test("nothing is started after an abort", () => {
    expect(runner.run(["true"], { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  });
});

describe("read", () => {
  const all = (stdout: Readable): Promise<Buffer> => bytes(stdout, 1000, "it");

  test("gives what the program writes", async () => {
    expect((await runner.read(["printf", "abc"], all)).toString()).toBe("abc");
  });

  test("ends a program whose reader has enough", async () => {
    const first = await runner.read(["yes"], async (stdout) => {
      for await (const chunk of stdout) return String(chunk).slice(0, 1);
      return "";
    });
    expect(first).toBe("y");
  });

  test("fails when the program does, with what it says", () => {
    expect(runner.read(["sh", "-c", "echo half; echo broken >&2; exit 1"], all)).rejects.toThrow("broken");
  });

  test("a limit that its reader has counts, whatever the program says when it is ended", async () => {
    const command = ["sh", "-c", "trap 'echo broken pipe >&2; exit 1' TERM; yes"];
    await expect(runner.read(command, all)).rejects.toThrow(new LimitError("it has more than 1000 bytes"));
  });
});
