import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";

const demo = join(checkout, "scripts/demo");

test("everything in the demo works, and it leaves nothing behind", async () => {
  const child = Bun.spawn([demo, "--once"], { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  expect(out).toContain("Allocatable amd.com/onload: 100");
  expect(out).toContain("/dev/onload: character device");
  expect(out).toContain("mapped library: /opt/onload/usr/lib64/libonload.so");
  expect(out).toContain("Simulated here:");
  for (const command of ["status", "plan -f ", "doctor pod trader-"]) expect(out).toContain(`$ onloadctl ${command}`);
  expect(out).toMatch(/pod default\/trader-\S+: The disruption budget trading-hours needs 1 healthy pods/);
  expect(out).toMatch(/Node \S+: evicted pod default\/trader-/);
  expect(out).toContain('~ spec.onload.version: "9.2.0" -> "9.2.1"');
  expect(out).toContain("Everything works");
  // What has happened is told once, and in its order.
  const events = out.split("\n").filter((line) => / event \w+ /.test(line));
  const told = events.map((line) => line.replace(/^ *[\d.]+s/, ""));
  expect(told).toEqual([...new Set(told)]);
  const at = (reason: string): number => told.findIndex((line) => line.includes(`event ${reason} `));
  expect(at("NodeLabelled")).toBeLessThan(at("UpgradeStarted"));
  expect(at("UpgradeStarted")).toBeLessThan(at("PodEvicted"));
  const [, kubeconfig = ""] = /KUBECONFIG=(\S+)/.exec(out) ?? [];
  expect(kubeconfig).toContain("/admin.kubeconfig");
  expect(existsSync(dirname(dirname(kubeconfig)))).toBe(false);
}, 420_000);

test("an interrupted demo stops everything and says so", async () => {
  const child = Bun.spawn([demo, "--once"], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  const reading = (async () => {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) out += chunk;
  })();
  const errors = new Response(child.stderr).text();
  await poll(() => out.includes("Starting the image registry"), { what: "The registry", timeoutMs: 120_000 });
  child.kill("SIGINT");
  const code = await child.exited;
  await reading;
  expect(code).toBe(130);
  expect(await errors).toContain("Interrupted");
}, 240_000);

test("an unknown argument is refused", async () => {
  const child = Bun.spawn([demo, "--twice"], { stdio: ["ignore", "pipe", "pipe"] });
  const err = await new Response(child.stderr).text();
  expect(await child.exited).toBe(2);
  expect(err).toContain("Unknown argument --twice");
});
