/** shellcheck and systemd check the boot scripts and units. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requirePackages } from "../testcluster/lib/debian.ts";
import { BOOT_FILES, bootUnits } from "./boot-service.ts";

/** The units of an OpenShift node that our units are ordered before or after. */
const NODE_UNITS = {
  "NetworkManager.service": "Wants=network.target\nAfter=network-pre.target dbus.service\nBefore=network.target",
  "NetworkManager-wait-online.service":
    "Requires=NetworkManager.service\nAfter=NetworkManager.service\nBefore=network-online.target",
  "crio.service": "Wants=network-online.target\nAfter=network-online.target",
  "kubelet.service": "Wants=crio.service\nAfter=crio.service",
};

setDefaultTimeout(180_000);

let root: string;

beforeAll(async () => {
  await requirePackages(["shellcheck", "systemd"]);
  root = await mkdtemp(join(tmpdir(), "onloadctl-units-"));
  await cp("/usr/lib/systemd/system", join(root, "usr/lib/systemd/system"), {
    recursive: true,
    verbatimSymlinks: true,
  });
  for (const { path, mode, contents } of BOOT_FILES) {
    await Bun.write(join(root, path), contents);
    await chmod(join(root, path), mode);
  }
  const wants = join(root, "etc/systemd/system/multi-user.target.wants");
  await mkdir(wants, { recursive: true });
  for (const { name, contents } of ourUnits) {
    await Bun.write(unitFile(name), contents);
    await symlink(`../${name}`, join(wants, name));
  }
  for (const [name, ordering] of Object.entries(NODE_UNITS)) {
    await Bun.write(unitFile(name), `[Unit]\n${ordering}\n[Service]\nType=oneshot\nExecStart=/usr/local/bin/${ANY}\n`);
    await symlink(`../${name}`, join(wants, name));
  }
}, 600_000);
afterAll(() => rm(root, { recursive: true, force: true }));

const ANY = "sfc-restore-kernel-module.sh";
const ourUnits = bootUnits("registry.example.com/onload-module:v9.0-${KERNEL_FULL_VERSION}").flatMap(
  ({ name, contents }) => (contents === undefined ? [] : [{ name, contents }]),
);

function unitFile(name: string): string {
  return join(root, "etc/systemd/system", name);
}

function run(...command: string[]): { code: number; output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  return { code: exitCode, output: stdout.toString() + stderr.toString() };
}

function verify(...units: string[]) {
  return run("systemd-analyze", "verify", `--root=${root}`, ...units);
}

test("shellcheck has nothing to say", () => {
  const scripts = BOOT_FILES.map(({ path }) => join(root, path));
  // The sourced script is checked with those that source it.
  expect(run("shellcheck", "--external-sources", "--check-sourced", ...scripts)).toEqual({ code: 0, output: "" });
  const standIns = join(import.meta.dir, "testing/stand-ins");
  const names = ["modprobe", "podman", "sleep", "systemctl", "udevadm", "uname"].map((name) => join(standIns, name));
  expect(run("shellcheck", ...names)).toEqual({ code: 0, output: "" });
});

test("systemd takes the units", () => {
  expect(verify(...ourUnits.map(({ name }) => name))).toEqual({ code: 0, output: "" });
});

test("a whole boot with them has no ordering cycle, and the driver is replaced before NetworkManager starts", () => {
  expect(verify("multi-user.target")).toEqual({ code: 0, output: "" });
  const [replace] = ourUnits;
  expect(replace?.contents).toMatch(/^Before=network-pre\.target /m);
});

test("systemd would have said so", async () => {
  await Bun.write(unitFile("wrong.service"), "[Service]\nType=oneshot\nTimeoutSc=3\nExecStart=/usr/local/bin/absent\n");
  const { code, output } = verify("wrong.service");
  expect(code).not.toBe(0);
  expect(output).toContain("TimeoutSc");
});
