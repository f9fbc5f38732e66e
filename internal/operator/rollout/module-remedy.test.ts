import { expect, test } from "bun:test";
import { NODE_REASON } from "../../api/reasons.ts";
import { withRemedy } from "./failure.ts";
import { moduleRemedy } from "./module-remedy.ts";

/** How the GNU C library says it, which modprobe prints; by the number of the error in Linux. */
function strerror(number: number): string {
  const { stdout } = Bun.spawnSync(["perl", "-e", "$! = $ARGV[0]; print $!", String(number)]);
  return stdout.toString();
}

const [EPERM, ENOEXEC, EAGAIN, ENOMEM, EBUSY, ENOKEY, EKEYREJECTED] = [1, 8, 11, 12, 16, 126, 129];

test.each<[number, string]>([
  [EKEYREJECTED, "sign the modules"],
  [ENOKEY, "sign the modules"],
  [ENOEXEC, "built for another kernel"],
  [EPERM, "kernel lockdown"],
  [ENOMEM, "lacks memory"],
])("modprobe fails with error %i", (number, remedy) => {
  expect(moduleRemedy(`modprobe: ERROR: could not insert 'onload': ${strerror(number)}`)).toContain(remedy);
});

test.each<[number]>([[EAGAIN], [EBUSY]])("modprobe -r fails with error %i", (number) => {
  expect(moduleRemedy(`modprobe: ERROR: could not remove 'onload': ${strerror(number)}`)).toContain("uses it");
});

// As kmod 30 prints them itself.
test.each([
  ["modprobe: FATAL: Module onload is in use.", "uses it"],
  // With --first-time, by which KMM loads it.
  ["modprobe: ERROR: could not insert 'onload': Module already in kernel", "not by KMM"],
  ["modprobe: FATAL: Module onload not found in directory /opt/lib/modules/6.1.0-50-amd64", "no such module"],
  ["modprobe: ERROR: could not insert 'onload': Unknown symbol in module, or unknown parameter (see dmesg)", "sfc"],
])("%s", (line, remedy) => {
  expect(moduleRemedy(line)).toContain(remedy);
});

test("the cause goes before what is always worth a look; of an image nothing of this is said", () => {
  const message =
    "Pod p: container c: exit code 1; its log ends: could not insert 'onload': Key was rejected by service";
  expect(withRemedy({ reason: NODE_REASON.ModuleLoadFailed, message }).message).toMatch(
    /^Pod p: .* service; the node takes signed modules only .*; see the kernel log of the node/,
  );
  expect(withRemedy({ reason: NODE_REASON.ModuleUnloadFailed, message: "Pod p: failed" }).message).toBe(
    "Pod p: failed; see what uses the module on the node, and the module-loader or worker pod of KMM",
  );
  const image = { reason: NODE_REASON.ModuleImageMissing, message: "Operation not permitted" };
  expect(withRemedy(image).message).not.toContain("lockdown");
});
