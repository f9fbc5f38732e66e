import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { createLogger, silentLogger } from "../cli/log.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { HealthMonitor } from "./health-monitor.ts";
import type { Health } from "./health.ts";
import { observeNode, type NodeView } from "./observe.ts";
import { FakeHost } from "./testing/host.ts";

let host: FakeHost;
beforeEach(async () => {
  host = await FakeHost.ready();
});
afterEach(() => host.remove());

test("a process without free descriptors finds nothing wrong with the node, but says that it cannot look", async () => {
  for (let i = 0; i < 20; i++) await host.addNic({ address: `0000:5e:00.${i}` });
  const script = join(import.meta.dirname, "testing/without-descriptors.ts");
  const child = Bun.spawn(["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", process.execPath, script, host.root], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const results = JSON.parse(await child.stdout.text()) as Record<string, string>;
  expect(await child.exited).toBe(0);
  expect(Object.keys(results)).toHaveLength(6);
  expect(results["device files"]).toBe("found [null,null,null]");
  // That is sure, whatever else is unknown, and the rest is as it was.
  const gone = JSON.parse(results["observeNode after /dev/onload went"]!.replace("found ", "")) as NodeView;
  expect(gone.problems[0]).toBe("/dev/onload is missing: the onload kernel module is not loaded on this node");
  expect(gone.problems).toHaveLength(1);
  expect(gone.nics).toHaveLength(21);
  expect(gone.installation).toMatchObject({ script: "usr/bin/onload" });
  for (const name of ["observeNode", "scanNics", "findInstallation"]) {
    expect(results[name]).toMatch(/^failed: .*EMFILE/);
  }
  // All or nothing: NICs that could not be read are not gone.
  expect(results["scanNics with three descriptors"]).toMatch(/^(failed: .*EMFILE|found 21$)/);
});

describe("a look that ends in an i/o error", () => {
  function monitor() {
    const seen: { view: NodeView; health: Health }[] = [];
    const lines: string[] = [];
    let unknown = 0;
    const watched = new HealthMonitor(host.config(), {
      log: createLogger({ write: (line) => void lines.push(line) }),
      elapsed: () => 0,
      seen: (view, health) => void seen.push({ view, health }),
      unknown: () => unknown++,
    });
    return { watched, seen, lines, unknown: () => unknown };
  }

  test("leaves health and view as they were, is logged once and counted", async () => {
    const { watched, seen, lines, unknown } = monitor();
    await watched.look();
    expect(seen).toMatchObject([{ health: { healthy: true } }]);
    {
      using _broken = host.breakNic();
      for (let i = 0; i < 3; i++) await watched.look();
    }
    expect(seen).toHaveLength(1);
    expect(unknown()).toBe(3);
    expect(watched.lookError).toContain("Cannot look at the node: ");
    expect(lines.filter((line) => line.includes("Cannot look at the node"))).toHaveLength(1);
    await watched.look();
    expect(watched.lookError).toBeUndefined();
    expect(seen).toHaveLength(2);
    expect(lines.at(-1)).toContain("Can look at the node again");
  });

  test("at the first look leaves health unknown", async () => {
    const { watched, seen } = monitor();
    using _broken = host.breakNic();
    await watched.look();
    expect(seen).toEqual([]);
  });
});

describe("device files", () => {
  const problems = async (): Promise<string[]> => (await observeNode(host.config())).problems;

  test("that are gone, or no devices, are a problem of the node", async () => {
    rmSync(join(host.root, "dev/onload"));
    rmSync(join(host.root, "dev/sfc_char"));
    await Bun.write(join(host.root, "dev/sfc_char"), "");
    expect(await problems()).toEqual([
      "/dev/onload is missing: the onload kernel module is not loaded on this node",
      "/dev/sfc_char is not a character device",
    ]);
  });

  test("that a module left behind have no driver", async () => {
    expect(await problems()).toEqual([]);
    rmSync(host.driverOfDevices, { recursive: true });
    expect(await problems()).toEqual(
      ["/dev/onload", "/dev/onload_epoll", "/dev/sfc_char"].map(
        (name) => `${name} has no driver behind it: the kernel module was unloaded`,
      ),
    );
  });

  // These numbers do not fit the first bytes of the C library's form of a device number.
  test.skipIf(process.getuid?.() !== 0)("are known by large numbers too (only root can make such files)", async () => {
    rmSync(join(host.root, "dev/onload"));
    execFileSync("mknod", [join(host.root, "dev/onload"), "c", "4000", "700000"]);
    expect(await problems()).toEqual(["/dev/onload has no driver behind it: the kernel module was unloaded"]);
    mkdirSync(join(host.root, "sys/dev/char/4000:700000"));
    expect(await problems()).toEqual([]);
  });

  test("are never opened, because an open one keeps the kernel module from being unloaded", async () => {
    using _locked = host.deviceThatCannotBeOpened("/dev/onload");
    await expect(open(join(host.root, "dev/onload"), "r+")).rejects.toThrow("EIO");
    expect(await problems()).toEqual([]);
  });
});

test("a change that is pending while looks find nothing out is waited for at the usual pace", async () => {
  const stop = new AbortController();
  let looks = 0;
  let healthy: boolean | undefined;
  const watched = new HealthMonitor(host.config({ healthIntervalMs: 40, hysteresis: { fallMs: 1, riseMs: 1 } }), {
    log: silentLogger,
    elapsed: () => performance.now(),
    seen: (_view, health) => (healthy = health.healthy),
    unknown: () => looks++,
  });
  await watched.look();
  expect(healthy).toBe(true);
  // The look that finds no NIC makes the change pending; from then on none finds anything out.
  await Bun.write(join(host.root, "sys/bus/pci/devices/0000:3b:00.0/vendor"), "0x8086");
  await watched.look();
  using _broken = host.breakNic();
  const begun = performance.now();
  const running = watched.run(stop.signal);
  await poll(() => looks >= 5, { what: "Five looks", intervalMs: 1 });
  const took = performance.now() - begun;
  stop.abort();
  await running;
  expect(healthy).toBe(true);
  expect(took).toBeGreaterThan(3 * 40);
});

describe("the module's parameters for the control plane server", () => {
  const setTo = (text: string) => host.write("sys/module/onload/parameters/cplane_server_params", text);
  const problems = async () => (await observeNode(host.config())).problems;
  const id = "4f5c2b7be5b43cbf8d4c8f7f2a1f7c0e0f1d2c3b4a5968778695a4b3c2d1e0f9";

  test("are a problem as long as they start it in no container", async () => {
    for (const text of ["\n", "-K\n", `exec ${id.slice(1)} /x\n`, `-x${id} exec\n`]) {
      await setTo(text);
      expect(await problems()).toEqual([
        "The kernel is not told how to start onload_cp_server: see the log of the container onload-worker",
      ]);
    }
    for (const text of [`exec ${id} /x`, `--runtime-endpoint=unix:///run/x.sock  exec ${id} /x -K\n`]) {
      await setTo(text);
      expect(await problems()).toEqual([]);
    }
  });

  test("that cannot be read are a problem that says so", async () => {
    await mkdir(join(host.root, "sys/module/onload/parameters/cplane_server_params"), { recursive: true });
    expect(await problems()).toEqual([expect.stringContaining("cannot be read: it is a folder")]);
  });

  test("are looked at as soon as they are set", async () => {
    await setTo("\n");
    const stop = new AbortController();
    let health: Health | undefined;
    const config = host.config({ healthIntervalMs: 600_000, hysteresis: { fallMs: 1, riseMs: 1 } });
    const watched = new HealthMonitor(config, {
      log: silentLogger,
      elapsed: () => performance.now(),
      seen: (_view, seen) => (health = seen),
      unknown: () => undefined,
    });
    await watched.look();
    expect(health).toMatchObject({ healthy: false });
    const running = watched.run(stop.signal);
    await setTo(`exec ${id} /x`);
    await poll(() => health?.healthy, { what: "Health", intervalMs: 5, timeoutMs: 5000 });
    stop.abort();
    await running;
  });
});
