import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";

const demo = join(checkout, "scripts/demo");

/** The demo as it runs, and what it has written to standard output so far. */
function start(...args: string[]) {
  const child = Bun.spawn([demo, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "" };
  const reading = (async () => {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) said.out += chunk;
  })();
  const ended = async (): Promise<{ code: number; err: string }> => {
    const [err, code] = await Promise.all([new Response(child.stderr).text(), child.exited, reading]);
    return { code, err };
  };
  return { child, said, ended: ended() };
}

test("everything in the demo works, its pod stays for looking around, and Ctrl-C leaves nothing behind", async () => {
  const { child, said, ended } = start();
  await poll(() => child.exitCode !== null || said.out.includes("The cluster stays until Ctrl-C"), {
    what: "The end of the story",
    timeoutMs: 390_000,
  });
  // As a person would paste it.
  const [exported = ""] = /^ *export KUBECONFIG=.*$/m.exec(said.out) ?? [];
  const [logs = ""] = /^ *kubectl logs deployment\/trader /m.exec(said.out) ?? [];
  const running = "kubectl get pods -l app=trader --field-selector=status.phase=Running -o name";
  const pasted = Bun.spawn(["bash", "-c", `${exported}\n${logs}\n${running}`], { stdio: ["ignore", "pipe", "pipe"] });
  const looked = await new Response(pasted.stdout).text();
  child.kill("SIGINT");
  const { code, err } = await ended;
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  expect(looked).toContain("mapped library: /opt/onload/usr/lib64/libonload.so");
  expect(looked).toContain("pod/trader-");
  const { out } = said;
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
  const { child, said, ended } = start("--once");
  await poll(() => said.out.includes("Starting the image registry"), { what: "The registry", timeoutMs: 120_000 });
  child.kill("SIGINT");
  const { code, err } = await ended;
  expect(code).toBe(130);
  expect(err).toContain("Interrupted");
}, 240_000);

test("an unknown argument is refused", async () => {
  const child = Bun.spawn([demo, "--twice"], { stdio: ["ignore", "pipe", "pipe"] });
  const err = await new Response(child.stderr).text();
  expect(await child.exited).toBe(2);
  expect(err).toContain("Unknown argument --twice");
});
