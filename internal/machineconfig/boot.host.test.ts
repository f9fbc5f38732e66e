/** The boot scripts, run for real on a test node: every path that they can take. See TestNode for what is real. */
import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { requirePackages } from "../testcluster/lib/debian.ts";
import { filled, IMAGE, KERNEL, TestNode } from "./testing/test-node.ts";

const FIXED_IMAGE = "registry.example.com/onload-module:v9.0";
const NEXT_KERNEL = "5.14.0-570.12.1.el9_6.x86_64";

setDefaultTimeout(300_000);
let node: TestNode;
beforeAll(() => requirePackages(["kmod"]), 600_000);
beforeEach(async () => void (node = await TestNode.create()));
afterEach(() => node.dispose());

const inTree = { driver: "in-tree", nics: 2 } as const;
const outOfTree = { driver: "out-of-tree", nics: 2 } as const;

/** Whether the kernel's own driver was ever removed. */
function touched(): boolean {
  return node.calls().some((call) => call.startsWith("modprobe"));
}

test("image absent: pulled on the kernel's own driver, one reboot, then replaced", async () => {
  const digest = node.publish(filled(IMAGE));
  const first = await node.boot();
  expect(first.replace.code).toBe(0);
  expect(first.replace.log).toContain("ImageAbsent");
  expect(first.rebootAsked).toBe(true);
  expect(node.driver()).toEqual(inTree);
  expect(touched()).toBe(false);
  expect(node.status()).toMatchObject({ reason: "RebootPending", driver: "in-tree", digest, bootId: node.bootId() });

  const second = await node.boot();
  expect(second.rebootAsked).toBe(false);
  expect(node.driver()).toEqual(outOfTree);
  expect(node.status()).toEqual({
    schema: 1,
    reason: "Replaced",
    message: `The sfc driver of image ${filled(IMAGE)} is in use`,
    driver: "out-of-tree",
    image: filled(IMAGE),
    digest,
    kernel: KERNEL,
    bootId: node.bootId(),
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  });
  expect(node.reboots()).toHaveLength(1);
});

test("image on the node at the first boot: replaced without any reboot, and held for the next", async () => {
  node.publish(filled(IMAGE));
  node.preload(filled(IMAGE));
  const boot = await node.boot();
  expect([boot.replace.code, boot.pull.code, boot.rebootAsked]).toEqual([0, 0, false]);
  expect(node.driver()).toEqual(outOfTree);
  expect(node.calls().filter((call) => call.includes(" pull "))).toEqual([]);
  expect(node.calls().some((call) => call.startsWith("podman create --replace --name onload-sfc-module-image"))).toBe(
    true,
  );
});

test("pull fails: tries again, further and further apart, and says why", async () => {
  node.publish(filled(IMAGE));
  node.fault("pull", 8);
  const boot = await node.boot();
  expect(node.sleeps()).toEqual([10, 20, 40, 80, 160, 320, 600, 600]);
  expect(boot.pull.log).toContain('no route to host"; next try in 600 s');
  expect(boot.rebootAsked).toBe(true);
  expect(node.driver()).toEqual(inTree);
});

test("while the pull fails, the status file says so and the node keeps its driver", async () => {
  // The image is nowhere: the script would try for ever, so it is killed while it waits.
  node.startKernel();
  await node.replaceService();
  const { code, log } = await node.run("sfc-pull-kernel-module-image.sh", IMAGE, 400);
  expect(code).toBe(137);
  expect(log).toContain("PullFailed: Cannot pull image");
  expect(["Pulling", "PullFailed"]).toContain(node.status()?.reason ?? "none");
  expect(node.status()).toMatchObject({ driver: "in-tree", digest: "" });
  expect(node.driver()).toEqual(inTree);
  expect(node.reboots()).toEqual([]);
});

test("kernel changed: the new kernel's image is found, with one reboot of its own", async () => {
  const old = node.publish(filled(IMAGE));
  await node.settle();
  node.installKernel(NEXT_KERNEL);
  const next = node.publish(filled(IMAGE, NEXT_KERNEL), { srcversion: "ABCDEF0123456789ABCDEF0" });
  expect(next).not.toBe(old);
  const boot = await node.boot();
  expect(boot.rebootAsked).toBe(true);
  expect(node.driver()).toEqual(inTree);
  await node.settle();
  expect(node.driver()).toEqual(outOfTree);
  expect(node.status()).toMatchObject({ reason: "Replaced", digest: next, kernel: NEXT_KERNEL });
  expect(node.reboots()).toHaveLength(2);
});

test("kernel changed under an image for one kernel: the kernel's own driver stays, no reboot", async () => {
  node.publish(FIXED_IMAGE);
  await node.settle(FIXED_IMAGE);
  expect(node.driver()).toEqual(outOfTree);
  const reboots = node.reboots();
  node.installKernel(NEXT_KERNEL);
  const boot = await node.boot(FIXED_IMAGE);
  expect(boot.replace.code).toBe(1);
  expect(node.driver()).toEqual(inTree);
  expect(node.status()).toMatchObject({ reason: "KernelNotInImage", driver: "in-tree", kernel: NEXT_KERNEL });
  expect(node.reboots()).toEqual(reboots);
});

test.each([
  ["for another kernel", { vermagicKernel: "5.14.0-1.x86_64" }, "VermagicMismatch"],
  ["with other flags", { flags: "SMP preempt_rt mod_unload modversions " }, "VermagicMismatch"],
  ["for a kernel of another name only", { kernel: "5.14.0-1.x86_64" }, "KernelNotInImage"],
  ["without sfc", { without: "sfc" }, "ModuleUnusable"],
  ["without a module that sfc depends on", { without: "sfc_driverlink" }, "ModuleUnusable"],
  ["without srcversion", { srcversion: "" }, "ModuleUnusable"],
] as const)("an image %s: nothing is removed, and no reboot is spent", async (_, options, reason) => {
  node.publish(filled(IMAGE), options);
  const pulled = await node.boot();
  expect([pulled.pull.code, pulled.rebootAsked]).toEqual([1, false]);
  expect(node.status()).toMatchObject({ reason, driver: "in-tree" });
  const next = await node.boot();
  expect([next.replace.code, next.rebootAsked]).toEqual([1, false]);
  expect(node.status()).toMatchObject({ reason, driver: "in-tree" });
  expect(node.driver()).toEqual(inTree);
  expect(touched()).toBe(false);
});

test.each([
  ["the kernel's own driver cannot be removed", "remove", 1, "RemoveFailed", 0],
  ["the image's driver does not load", "load", 1, "LoadFailed", 0],
  ["the image's driver serves fewer NICs", "nics", 1, "NicsLost", 0],
  ["the image's driver serves no NIC", "nics", 0, "NicsLost", 0],
  // Pulled anew, in case that mends it.
  ["the image cannot be mounted", "mount", 1, "StageFailed", 1],
] as const)(
  "%s: the kernel's own driver is in use, no reboot, and the next boot tries again",
  async (_, fault, value, reason, pullCode) => {
    node.publish(filled(IMAGE));
    node.preload(filled(IMAGE));
    node.fault(fault, value);
    const boot = await node.boot();
    expect([boot.replace.code, boot.pull.code, boot.rebootAsked]).toEqual([1, pullCode, false]);
    expect(node.driver()).toEqual(inTree);
    expect(node.status()).toMatchObject({ reason, driver: "in-tree" });
    node.fault(fault, false);
    await node.settle();
    expect(node.driver()).toEqual(outOfTree);
    expect(node.reboots()).toEqual([]);
  },
);

test("an image that a power cut has damaged is pulled anew, with one reboot", async () => {
  node.publish(filled(IMAGE));
  node.preload(filled(IMAGE));
  node.damage(filled(IMAGE));
  const boot = await node.boot();
  expect(boot.replace.code).toBe(1);
  expect(boot.replace.log).toMatch(/^(ModuleUnusable|VermagicMismatch): /m);
  expect(node.driver()).toEqual(inTree);
  expect(boot.rebootAsked).toBe(true);
  await node.settle();
  expect(node.driver()).toEqual(outOfTree);
  expect(node.reboots()).toHaveLength(1);
});

test("a corrected image under the same tag is found at the next boot", async () => {
  node.publish(filled(IMAGE), { vermagicKernel: "5.14.0-1.x86_64" });
  await node.settle();
  expect(node.status()?.reason).toBe("VermagicMismatch");
  node.publish(filled(IMAGE), { srcversion: "ABCDEF0123456789ABCDEF0" });
  await node.settle();
  expect(node.driver()).toEqual(outOfTree);
  expect(node.reboots()).toHaveLength(1);
});

test("no driver loads at all: says so, loudly", async () => {
  node.publish(filled(IMAGE));
  node.preload(filled(IMAGE));
  node.fault("load");
  node.fault("load-in-tree");
  const boot = await node.boot();
  expect(boot.replace.code).toBe(1);
  expect(boot.replace.log).toContain("NoDriver");
  expect(node.status()).toMatchObject({ reason: "NoDriver", driver: "none" });
  expect(node.reboots()).toEqual([]);
});

test("reboot budget: an image that is lost again gets no second reboot, another digest does", async () => {
  node.publish(filled(IMAGE));
  await node.settle();
  expect(node.reboots()).toHaveLength(1);

  node.forget(filled(IMAGE));
  const again = await node.boot();
  expect([again.pull.code, again.rebootAsked]).toEqual([1, false]);
  expect(node.hasImage(filled(IMAGE))).toBe(true);
  expect(node.status()).toMatchObject({ reason: "RebootBudgetSpent", driver: "in-tree" });

  node.forget(filled(IMAGE));
  const digest = node.publish(filled(IMAGE), { srcversion: "ABCDEF0123456789ABCDEF0" });
  await node.settle();
  expect(node.driver()).toEqual(outOfTree);
  expect(node.status()).toMatchObject({ reason: "Replaced", digest });
  expect(node.reboots()).toHaveLength(2);
});

test("the reboot itself fails: asked for again at this boot, since it has not happened", async () => {
  node.publish(filled(IMAGE));
  node.fault("reboot");
  const boot = await node.boot();
  expect([boot.pull.code, boot.rebootAsked]).toEqual([2, false]);
  node.fault("reboot", false);
  expect((await node.pullService()).rebootAsked).toBe(true);
  await node.settle();
  expect(node.driver()).toEqual(outOfTree);
});

test.each([
  ["reboots cannot be read", () => mkdirSync(node.path("var/lib/onload/sfc-boot-reboots"), { recursive: true })],
  ["nothing can be written", () => writeFileSync(node.path("var/lib/onload"), "")],
])("%s: no reboot, the driver is replaced at the next one", async (_, spoil) => {
  node.publish(filled(IMAGE));
  spoil();
  const boot = await node.boot();
  expect([boot.pull.code, boot.rebootAsked]).toEqual([1, false]);
  expect(node.driver()).toEqual(inTree);
  await node.settle();
  expect(node.driver()).toEqual(outOfTree);
  expect(node.reboots()).toEqual([]);
});

test("an image without a digest: no reboot that could not be counted", async () => {
  node.publish(filled(IMAGE), { digest: "" });
  const boot = await node.boot();
  expect([boot.pull.code, boot.rebootAsked]).toEqual([1, false]);
  expect(node.status()).toMatchObject({ reason: "NoDigest" });
});

test("started twice at one boot: the driver is not touched again", async () => {
  node.publish(filled(IMAGE));
  await node.settle();
  const before = node.calls().filter((call) => call.startsWith("modprobe"));
  expect((await node.replaceService()).code).toBe(0);
  expect(node.calls().filter((call) => call.startsWith("modprobe"))).toEqual(before);
  expect(node.driver()).toEqual(outOfTree);
});

test("no driver is loaded before the replacement: the image's is, all the same", async () => {
  node.publish(filled(IMAGE));
  node.preload(filled(IMAGE));
  node.startKernel();
  rmSync(node.path("sys/module/sfc"), { recursive: true });
  rmSync(node.path("sys/bus/pci/drivers/sfc"), { recursive: true });
  expect((await node.replaceService()).code).toBe(0);
  expect(node.driver()).toEqual(outOfTree);
});

test("an image that went missing after a failed replacement is pulled again, without a reboot", async () => {
  node.publish(filled(IMAGE));
  node.preload(filled(IMAGE));
  node.fault("load");
  node.startKernel();
  await node.replaceService();
  node.forget(filled(IMAGE));
  const { pull, rebootAsked } = await node.pullService();
  expect([pull.code, rebootAsked]).toEqual([0, false]);
  expect(node.hasImage(filled(IMAGE))).toBe(true);
  expect(node.status()).toMatchObject({ reason: "NotReplaced", driver: "in-tree" });
});

test("the pull secret of the node is used where there is one", async () => {
  node.publish(filled(IMAGE));
  mkdirSync(node.path("var/lib/kubelet"), { recursive: true });
  writeFileSync(node.path("var/lib/kubelet/config.json"), "{}");
  await node.boot();
  expect(node.calls()).toContain(`podman pull --quiet --authfile /var/lib/kubelet/config.json ${filled(IMAGE)}`);
});

test("a kernel version that ends in + is looked up without it, as KMM does", async () => {
  node.installKernel("6.1.0-test+");
  node.publish(filled(IMAGE, "6.1.0-test"), { kernel: "6.1.0-test+" });
  await node.settle();
  expect(node.driver()).toEqual(outOfTree);
});

test("a real-time kernel of OpenShift finds its image, whose tag cannot have the + of its version", async () => {
  const kernel = "5.14.0-427.18.1.el9_4.x86_64+rt";
  node.installKernel(kernel);
  node.publish(filled(IMAGE, "5.14.0-427.18.1.el9_4.x86_64_rt"), { kernel });
  await node.settle();
  expect(node.driver()).toEqual(outOfTree);
});
