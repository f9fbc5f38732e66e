import { describe, expect, test } from "bun:test";
import { processRunner as runner } from "./runner.ts";
import type { Readable } from "node:stream";
import { LimitError, TimeLimitError } from "./limits.ts";
import { bytes } from "./tar.ts";

/** A flag of a process whose files are closed already (Linux, include/linux/sched.h). */
const PF_EXITING = 0x4;

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
    // Dead, on its way out, or a zombie that whoever adopted it has not buried yet.
    const stat = await Bun.file(`/proc/${child}/stat`)
      .text()
      .catch(() => undefined);
    const [state, , , , , , flags] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
    const isExiting = (Number(flags) & PF_EXITING) !== 0;
    expect({ stat, ended: stat === undefined || state === "Z" || isExiting }).toEqual({ stat, ended: true });
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

  test("a time limit is as gentle, and says what the program said last", async () => {
    const lines: string[] = [];
    const run = runner.run(["sh", "-c", "echo begun; echo; sleep 1000; echo cleared"], {
      timeoutMs: 1000,
      gentle: true,
      onLine: (line) => lines.push(line),
    });
    await expect(run).rejects.toThrow(
      new TimeLimitError('Cannot run sh -c: it has not ended within 1 s; the last that it said is "begun"'),
    );
    expect(lines).toContain("cleared");
  });

  test("nothing is started after an abort", () => {
    expect(runner.run(["true"], { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  });
});

describe("a program that", () => {
  const MB = 1024 ** 2;
  const peak = async (work: () => Promise<unknown>): Promise<number> => {
    const before = process.memoryUsage.rss();
    let most = before;
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 10);
    await work();
    clearInterval(timer);
    return (most - before) / MB;
  };

  test("answers without end is ended", async () => {
    await expect(runner.run(["yes"])).rejects.toThrow(new LimitError("Cannot run yes: it prints more than 2 MB"));
    await expect(runner.run(["sh", "-c", "yes >&2"])).rejects.toThrow("Cannot run sh -c: it prints more than 2 MB");
  });

  test("never answers is ended", async () => {
    await expect(runner.run(["sleep", "1000"], { timeoutMs: 50 })).rejects.toThrow("it has not ended within 0.05 s");
    // What it leaves behind in a session of its own holds the pipes open.
    const leaves = ["sh", "-c", "setsid sleep 60 & exit 0"];
    await expect(runner.run(leaves, { timeoutMs: 50 })).rejects.toThrow("it has not ended within 0.05 s");
  });

  test("prints a long answer on one line is understood", async () => {
    const { stdout } = await runner.run(["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x"]);
    expect(stdout.length).toBe(100_000);
  });

  test("prints 30 MB in a step has its end kept", async () => {
    let lines = 0;
    const script = "yes 'a line of some length, as compilers print it' | head -c 30000000; echo end; exit 3";
    const result = await runner.run(["sh", "-c", script], { onLine: () => lines++ });
    expect(result.code).toBe(3);
    expect(result.output).toEndWith("end\n");
    expect(result.output).toStartWith("(26 MB are left out)\n");
    expect(result.output.length).toBeLessThan(2.1 * MB);
    expect(lines).toBeGreaterThan(500_000);
  }, 300_000);

  test("prints a line of 600 MB in a step takes little memory", async () => {
    const lines: string[] = [];
    let result = { code: 0, stdout: "", output: "" };
    const taken = await peak(async () => {
      const script = "head -c 600000000 /dev/zero | tr '\\0' x; echo; echo end";
      result = await runner.run(["sh", "-c", script], { onLine: (line) => lines.push(line) });
    });
    expect(lines).toEqual([`${"x".repeat(2000)}...`, "end"]);
    expect(result.output).toEndWith("\nend\n");
    // A process that has done much before collects its garbage late; one that holds the line has 600 MB of it.
    expect(taken).toBeLessThan(570);
  }, 300_000);
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

  test("ends a program that has errors without end", async () => {
    await expect(runner.read(["sh", "-c", "yes >&2"], all)).rejects.toThrow("prints more than 2 MB");
  });

  test("ends a program that gives nothing", async () => {
    const never = runner.read(["sleep", "1000"], all, { timeoutMs: 50 });
    await expect(never).rejects.toThrow("Cannot run sleep 1000: it has not ended within 0.05 s");
  });

  test("a limit that its reader has counts, whatever the program says when it is ended", async () => {
    const command = ["sh", "-c", "trap 'echo broken pipe >&2; exit 1' TERM; yes"];
    await expect(runner.read(command, all)).rejects.toThrow(new LimitError("it has more than 1000 bytes"));
  });
});
