import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

setDefaultTimeout(120_000);

const IMAGE = "registry.example.com/onload-module:v9.0-${KERNEL_FULL_VERSION}";

let top: string;
let folder: string;
beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), "onloadctl-gen-"));
  folder = join(top, "work");
  await mkdir(folder);
});
afterEach(() => rm(top, { recursive: true, force: true }));

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "onloadctl.ts"), "gen-machineconfig", ...args], {
    cwd: folder,
    // No cluster may be found by accident.
    env: { ...process.env, HOME: join(top, "home"), KUBECONFIG: "" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

function golden(spec: string): Promise<string> {
  return Bun.file(
    join(import.meta.dir, `../internal/machineconfig/testdata/ignition-${spec}.machineconfig.yaml`),
  ).text();
}

test("prints the MachineConfig alone on stdout, and what the Onload resource needs on stderr", async () => {
  const { code, out, err } = await run(`--module-image=${IMAGE}`);
  expect([code, out]).toEqual([0, await golden("3.2.0")]);
  expect(err).toContain("leave sfc out of spec.onload.kernelMappings");
  expect(err).not.toContain("warn");
});

test("a version newer than known: the newest known, with a note", async () => {
  const { code, out, err } = await run(`--module-image=${IMAGE}`, "--openshift-version=4.99");
  expect([code, out]).toEqual([0, await golden("3.5.0")]);
  expect(err).toContain("generated what OpenShift 4.22 takes");
});

test("an image for one kernel is told so", async () => {
  const { code, err } = await run("--module-image=registry.example.com/onload-module:v9.0");
  expect(code).toBe(0);
  expect(err).toContain("The image serves one kernel");
});

test("-o writes a file, and never over another", async () => {
  expect((await run(`--module-image=${IMAGE}`, "-o", "sfc.yaml")).code).toBe(0);
  expect(await Bun.file(join(folder, "sfc.yaml")).text()).toBe(await golden("3.2.0"));
  const again = await run(`--module-image=${IMAGE}`, "-o", "sfc.yaml", "--openshift-version=4.14.0");
  expect(again).toEqual({ code: 2, out: "", err: "Cannot write sfc.yaml: it exists; give another name or --force\n" });
  expect(await Bun.file(join(folder, "sfc.yaml")).text()).toBe(await golden("3.2.0"));
  expect((await run(`--module-image=${IMAGE}`, "-o", "sfc.yaml", "--openshift-version=4.14.0", "--force")).code).toBe(
    0,
  );
  expect(await Bun.file(join(folder, "sfc.yaml")).text()).toBe(await golden("3.4.0"));
});

test("-o with --format=butane writes the scripts beside it", async () => {
  expect((await run(`--module-image=${IMAGE}`, "--format=butane", "--output=sfc.bu")).code).toBe(0);
  expect((await readdir(folder)).sort()).toEqual([
    "sfc-boot-common.sh",
    "sfc-pull-kernel-module-image.sh",
    "sfc-replace-kernel-module.sh",
    "sfc-restore-kernel-module.sh",
    "sfc.bu",
  ]);
});

test.each([
  [[], "Flag --module-image is missing"],
  [["--module-image=registry.example.com/onload-module"], "add a tag or digest"],
  [["--module-image=x:v1", "--openshift-version=4.9"], "the oldest supported version is 4.10"],
  [["--module-image=x:v1", "--openshift-version=four"], "give a version such as 4.14.0"],
  [["--module-image=x:v1", "--role=a b"], "Flag --role cannot be"],
  [["--module-image=x:v1", "--name=A"], "Flag --name cannot be"],
  [["--module-image=x:v1", "--format=yaml"], "use one of machineconfig, butane, ignition"],
  [["--module-image=x:v1", "--output="], "Flag --output is empty"],
  [["--module-image=x:v1", "--force"], "Flag --force needs --output"],
  [["--module-image=x:v1", "--dry-run=server"], "Flag --dry-run needs --apply or --delete"],
  [["--module-image=x:v1", "--apply", "--dry-run=client"], "use one of server"],
  [["--module-image=x:v1", "--apply", "--delete"], "are mutually exclusive"],
  [["--module-image=x:v1", "--apply", "-o", "x"], "Flag --output cannot go with --apply"],
  [["--module-image=x:v1", "--apply", "--format=butane"], 'Flag --format cannot be "butane" with --apply'],
  [["--delete", "--name=A"], "Flag --name cannot be"],
  [["--module-image=x:v1", "-o", "absent/x.yaml"], "there is no folder absent"],
])("%p: one line, exit 2, nothing written", async (args, reason) => {
  const { code, out, err } = await run(...args);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain(reason);
  expect(err.trim().split("\n")).toHaveLength(1);
  expect(await readdir(folder)).toEqual([]);
});

test("--apply without a cluster: one line, exit 1", async () => {
  const { code, out, err } = await run(`--module-image=${IMAGE}`, "--apply", "--kubeconfig=absent");
  expect([code, out]).toEqual([1, ""]);
  expect(err.trim().split("\n")).toHaveLength(1);
  expect(err).toContain("absent");
});
