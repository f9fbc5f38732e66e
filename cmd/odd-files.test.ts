/** Whatever is in the place of a file that is read: nobody waits for it, and nobody reads it without end. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readExecutable } from "../internal/images/executable.ts";
import { readSource } from "../internal/images/source.ts";
import { readTarball } from "../internal/images/tarball.ts";
import { processRunner } from "../internal/images/runner.ts";
import { loadKubeconfig } from "../internal/kube/kubeconfig.ts";
import { certificateOf } from "../internal/probes/certificate.ts";
import { readProfile } from "../internal/profiles/library.ts";
import { BOOT_STATUS_FILE } from "../internal/api/boot-status.ts";
import { readBootStatus } from "../internal/deviceplugin/boot-service.ts";
import { writeCdiSpec } from "../internal/deviceplugin/cdi.ts";
import { readCheckpoint } from "../internal/deviceplugin/checkpoint.ts";
import { controlPlaneProblem } from "../internal/deviceplugin/control-plane-problem.ts";
import { foldersInUse } from "../internal/deviceplugin/host-usage.ts";
import { scanNics } from "../internal/deviceplugin/nics.ts";
import { PARAMETERS_DIR, ARGUMENTS_PARAMETER } from "../internal/api/server-parameters.ts";
import { findContainerId } from "../internal/controlplane/container-id.ts";
import { readParameters } from "../internal/controlplane/module-parameters.ts";
import { readDocuments } from "./shared/documents.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "odd-files-"))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes a file with its folders. */
function put(path: string, text: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** The place of the file, and what reads it. The result is compared with nothing: that it comes is what counts. */
const READERS: Record<string, [place: string, read: () => unknown]> = {
  "the kubelet's record of devices": ["kubelet_internal_checkpoint", () => readCheckpoint(folder)],
  "the CDI file": [
    "cdi/amd.com-onload.json",
    () => writeCdiSpec(join(folder, "cdi"), { env: {}, devices: [], mounts: [] }),
  ],
  "the partial CDI file": [
    "cdi/.amd.com-onload.json.partial",
    () => writeCdiSpec(join(folder, "cdi"), { env: {}, devices: [], mounts: [] }),
  ],
  "a certificate": ["tls.crt", () => certificateOf(folder, () => undefined)],
  "a certificate's key": ["tls.key", () => (put("tls.crt", ""), certificateOf(folder, () => undefined))],
  "the status of the boot service": [
    `host${BOOT_STATUS_FILE}`,
    () => readBootStatus({ hostRoot: join(folder, "host"), procDir: "/proc" }),
  ],
  "a mount table": ["proc/1/mountinfo", () => foldersInUse(["a"], join(folder, "proc"), folder)],
  "a NIC's vendor": ["sys/bus/pci/devices/0000:01:00.0/vendor", () => scanNics(join(folder, "sys"))],
  "a parameter of the module, for the plugin": [
    join("sys", PARAMETERS_DIR, ARGUMENTS_PARAMETER),
    () => controlPlaneProblem(join(folder, "sys")),
  ],
  "a parameter of the module": [
    join("sys", PARAMETERS_DIR, ARGUMENTS_PARAMETER),
    () => readParameters(join(folder, "sys")),
  ],
  "a cgroup": ["proc/self/cgroup", () => findContainerId(join(folder, "proc"), folder)],
  "a cgroup's processes": [
    `fs/cgroup/crio-${"a".repeat(64)}.scope/cgroup.procs`,
    () => findContainerId(join(folder, "proc"), folder),
  ],
  "an executable": ["onloadctl", () => readExecutable(join(folder, "onloadctl"), "1")],
  "a tarball": ["a.tgz", () => readTarball(join(folder, "a.tgz"))],
  "a tree's README": [
    "README",
    () => (
      put("scripts/onload_build", ""),
      put("scripts/onload_install", ""),
      readSource(folder, { runner: processRunner })
    ),
  ],
  "a profile": ["a.opf", () => readProfile(join(folder, "a.opf"))],
};

const KINDS: Record<string, (path: string) => void> = {
  "a pipe": (path) => void Bun.spawnSync(["mkfifo", path]),
  "a device without end": (path) => symlinkSync("/dev/zero", path),
  "a folder": (path) => mkdirSync(path),
  "a link to nothing": (path) => symlinkSync("/does/not/exist", path),
  "a link to itself": (path) => symlinkSync(path, path),
};

describe.each(Object.entries(READERS))("in the place of %s", (_, [place, read]) => {
  test.each(Object.entries(KINDS))(
    "%s",
    async (_, make) => {
      mkdirSync(dirname(join(folder, place)), { recursive: true });
      make(join(folder, place));
      const begin = performance.now();
      let error: Error | undefined;
      try {
        await read();
      } catch (caught) {
        error = caught as Error;
      }
      expect(performance.now() - begin).toBeLessThan(5000);
      // Said with the file or folder, and why.
      if (error !== undefined)
        expect(String(error)).toMatch(/^Error: Cannot .*: |^Error: EISDIR: .*amd\.com-onload\.json/);
    },
    10_000,
  );
});

test("what is in the place of the CDI file goes, and is not written through", () => {
  const edits = { env: {}, devices: [], mounts: [] };
  const dir = join(folder, "cdi");
  const victim = put("victim", "untouched");
  put("cdi/x", "");
  symlinkSync(victim, join(dir, ".amd.com-onload.json.partial"));
  symlinkSync(victim, join(dir, "amd.com-onload.json"));
  writeCdiSpec(dir, edits);
  expect(readFileSync(victim, "utf8")).toBe("untouched");
  expect(readFileSync(join(dir, "amd.com-onload.json"), "utf8")).toContain("cdiVersion");
});

test("a pipe that a person names is read, because shells make them", async () => {
  const pipe = join(folder, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  const writer = Bun.spawn(["sh", "-c", `echo 'a: 1' > ${pipe}`]);
  expect(await readDocuments(pipe)).toEqual([{ a: 1 }]);
  await writer.exited;
  await expect(loadKubeconfig([folder])).rejects.toThrow(`Cannot load kubeconfig ${folder}: EISDIR`);
});
