/**
 * The boot scripts under power cuts and kills, at any of their commands: whatever happens, the node comes back with its
 * NICs, reboots at most once for an image, and ends with the image's driver.
 *
 * `BOOT_CRASH_RUNS=1000` tries more than the usual few.
 */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { requirePackages } from "../testcluster/lib/debian.ts";
import { filled, IMAGE, TestNode } from "./testing/test-node.ts";

const runs = Number(process.env["BOOT_CRASH_RUNS"] ?? 12);
/** More commands than any script runs. */
const ANY_COMMAND = 330;
const REPLACE = "sfc-replace-kernel-module.sh";
const PULL = "sfc-pull-kernel-module-image.sh";
const RESTORE = "sfc-restore-kernel-module.sh";

// Others may compute beside them.
setDefaultTimeout(300_000 + runs * 25_000);
beforeAll(() => requirePackages(["kmod"]), 600_000);

async function withNode(preloaded: boolean, use: (node: TestNode) => Promise<void>): Promise<void> {
  const node = await TestNode.create();
  try {
    node.publish(filled(IMAGE));
    if (preloaded) node.preload(filled(IMAGE));
    await use(node);
  } finally {
    node.dispose();
  }
}

/** Checks what must hold whenever no script is running. */
function expectSound(node: TestNode): void {
  expect(node.driver().nics).toBe(2);
  // Throws if the file is broken; before the first report there is none.
  node.status();
  expect(new Set(node.reboots()).size).toBeLessThanOrEqual(1);
}

async function expectReplacedInTheEnd(node: TestNode): Promise<void> {
  await node.settle();
  expect(node.driver()).toEqual({ driver: "out-of-tree", nics: 2 });
  expect(node.status()?.reason).toBe("Replaced");
  expectSound(node);
}

/** For every line that a run of the script reaches, the number of its first command. */
function firstOfEachLine(commands: string[]): number[] {
  return [...new Set(commands)].map((line) => commands.indexOf(line) + 1);
}

test("the replacement is killed at any line: the node has a driver at once, and the image's at the next boot", async () => {
  await withNode(true, async (node) => {
    node.startKernel();
    await node.run(REPLACE, IMAGE, 0);
    const lines = firstOfEachLine(node.commands());
    expect(lines.length).toBeGreaterThan(80);
    for (const line of lines) {
      node.startKernel();
      expect((await node.replaceService(IMAGE, line)).code).toBe(137);
      expectSound(node);
    }
    const killed = await node.pullService();
    expect(killed.rebootAsked).toBe(false);
    await expectReplacedInTheEnd(node);
  });
});

test("power cuts at any command of any boot", async () => {
  const cut = fc.record({
    script: fc.constantFrom(REPLACE, PULL, RESTORE),
    at: fc.integer({ min: 1, max: ANY_COMMAND }),
  });
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(cut, { minLength: 1, maxLength: 3 }), async (preloaded, cuts) => {
      await withNode(preloaded, async (node) => {
        for (const { script, at } of cuts) {
          node.startKernel();
          if (script === RESTORE) {
            // systemd kills the replacement, and then the power goes.
            await node.run(REPLACE, IMAGE, at);
            await node.run(RESTORE, IMAGE, at);
          } else if (script === REPLACE) {
            await node.run(REPLACE, IMAGE, at);
          } else {
            await node.replaceService();
            expectSound(node);
            await node.run(PULL, IMAGE, at);
            expectSound(node);
          }
          node.status();
        }
        await expectReplacedInTheEnd(node);
      });
    }),
    { numRuns: runs },
  );
});

test("the pull is killed at any line and started again: no reboot is lost, and none is one too many", async () => {
  await withNode(false, async (node) => {
    node.fault("pull", 1);
    node.startKernel();
    await node.replaceService();
    node.save();
    await node.run(PULL, IMAGE, 0);
    const commands = node.commands();
    const lines = firstOfEachLine(commands).filter((number) => commands[number - 1]!.startsWith(PULL));
    expect(lines.length).toBeGreaterThan(30);
    for (const line of lines) {
      node.restore();
      expect((await node.run(PULL, IMAGE, line)).code).toBe(137);
      expectSound(node);
      if (node.reboots().length === 0) expect((await node.pullService()).rebootAsked).toBe(true);
      expectSound(node);
    }
    await expectReplacedInTheEnd(node);
  });
});

test("power cuts while the image's driver cannot work: the kernel's own driver stays, still one reboot at most", async () => {
  const at = fc.integer({ min: 1, max: ANY_COMMAND });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("load" as const, "nics" as const, "remove" as const),
      fc.boolean(),
      at,
      async (fault, preloaded, at) => {
        await withNode(preloaded, async (node) => {
          node.fault(fault);
          node.startKernel();
          await node.replaceService(IMAGE, at);
          expectSound(node);
          await node.run(PULL, IMAGE, at);
          await node.settle();
          expect(node.driver()).toEqual({ driver: "in-tree", nics: 2 });
          expectSound(node);
        });
      },
    ),
    { numRuns: runs },
  );
});
