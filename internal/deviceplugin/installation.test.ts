import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { allocateResponse, containerEdits, refusal } from "./allocation.ts";
import { cdiSpec, removeCdiSpec, writeCdiSpec } from "./cdi.ts";
import { findInstallation } from "./installation.ts";
import { observeNode } from "./observe.ts";
import { FakeHost } from "./testing/host.ts";

let host: FakeHost;
let hostDir: string;
beforeEach(async () => {
  host = await FakeHost.create();
  hostDir = join(host.root, "opt/onload");
});
afterEach(() => host.remove());

describe("findInstallation", () => {
  for (const libraries of ["usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib"]) {
    test(`finds the libraries in ${libraries}`, async () => {
      await host.addOnload("opt/onload", { libraries });
      const found = await findInstallation(hostDir);
      expect(Object.fromEntries(found.libraries)).toEqual({
        "libonload.so": `${libraries}/libonload.so`,
        "libonload_ext.so": `${libraries}/libonload_ext.so.1.2.0`,
        "libonload_ext.so.1": `${libraries}/libonload_ext.so.1.2.0`,
        "libonload_ext.so.1.2.0": `${libraries}/libonload_ext.so.1.2.0`,
      });
    });
  }

  test("leaves out a library whose link leads out of the tree, or nowhere", async () => {
    await host.addOnload("opt/onload");
    const lib = join(hostDir, "usr/lib64");
    symlinkSync("/etc/passwd", join(lib, "libonload_x.so"));
    symlinkSync("nothing", join(lib, "libonload_y.so"));
    const { libraries } = await findInstallation(hostDir);
    expect([...libraries.keys()]).not.toContainAnyValues(["libonload_x.so", "libonload_y.so"]);
    unlinkSync(join(lib, "libonload.so"));
    symlinkSync("/etc/passwd", join(lib, "libonload.so"));
    expect(findInstallation(hostDir)).rejects.toThrow("Onload's libraries are missing");
  });

  test("leaves out the script and its folders if a link on the way to them leads out of the tree", async () => {
    await host.addOnload("opt/onload");
    expect(await findInstallation(hostDir)).toMatchObject({
      script: "usr/bin/onload",
      scriptFolders: new Map([["usr/libexec/onload/profiles", "usr/libexec/onload/profiles"]]),
    });
    const none = { script: undefined, scriptFolders: new Map() };
    rmSync(join(hostDir, "usr/bin/onload"));
    symlinkSync("/etc/shadow", join(hostDir, "usr/bin/onload"));
    rmSync(join(hostDir, "usr/libexec"), { recursive: true });
    mkdirSync(join(host.root, "elsewhere/onload/profiles"), { recursive: true });
    symlinkSync("../../../elsewhere", join(hostDir, "usr/libexec"));
    expect(await findInstallation(hostDir)).toMatchObject(none);
    rmSync(join(hostDir, "usr/bin"), { recursive: true });
    symlinkSync("/bin", join(hostDir, "usr/bin"));
    expect(await findInstallation(hostDir)).toMatchObject(none);
    expect((await observeNode(host.config({ mountOnload: true }))).problems).toContain(
      "The onload script is missing: no usr/bin/onload in Onload's files, or a link that leads out of them",
    );
    expect((await observeNode(host.config())).problems.join()).not.toContain("script");
  });

  test("mounts what a link within the tree leads to, where the link is", async () => {
    await host.addOnload("opt/onload");
    renameSync(join(hostDir, "usr/libexec/onload/profiles"), join(hostDir, "profiles"));
    symlinkSync("../../../profiles", join(hostDir, "usr/libexec/onload/profiles"));
    renameSync(join(hostDir, "usr/bin/onload"), join(hostDir, "sbin/onload.sh"));
    symlinkSync("../../sbin/onload.sh", join(hostDir, "usr/bin/onload"));
    const { mounts } = containerEdits(
      host.config({ setPreload: false, mountOnload: true }),
      await findInstallation(hostDir),
    );
    expect(mounts.slice(-2)).toEqual([
      { hostPath: "/opt/onload/sbin/onload.sh", containerPath: "/opt/onload/usr/bin/onload", readOnly: true },
      { hostPath: "/opt/onload/profiles", containerPath: "/usr/libexec/onload/profiles", readOnly: true },
    ]);
  });

  test("finds no library in a folder out of the tree", async () => {
    await host.addOnload("opt/onload");
    renameSync(join(hostDir, "usr/lib64"), join(host.root, "lib64"));
    symlinkSync("../../../lib64", join(hostDir, "usr/lib64"));
    expect(findInstallation(hostDir)).rejects.toThrow("Onload's libraries are missing");
  });

  test("says where it looked", () => {
    expect(findInstallation(hostDir)).rejects.toThrow(`with libonload.so in ${hostDir}`);
  });
});

describe("what a container gets", () => {
  test("the script with its profiles and no LD_PRELOAD, with --mount-onload", async () => {
    await host.addOnload("opt/onload");
    const config = host.config({ setPreload: false, mountOnload: true, baseMountPath: "/base", binMountPath: "/b" });
    const { env, mounts } = containerEdits(config, await findInstallation(hostDir));
    expect(env).toEqual({ ONLOAD_PRELOAD: "/base/usr/lib64/libonload.so" });
    expect(mounts.filter((mount) => !mount.containerPath.includes("libonload"))).toEqual([
      { hostPath: "/opt/onload/usr/bin/onload", containerPath: "/base/b/onload", readOnly: true },
      {
        hostPath: "/opt/onload/usr/libexec/onload/profiles",
        containerPath: "/usr/libexec/onload/profiles",
        readOnly: true,
      },
    ]);
  });

  test("paths as the flags say, from the folder of the current version", async () => {
    await host.addOnload("data/onload/9.2.0-0123456789ab", { libraries: "usr/lib/x86_64-linux-gnu" });
    symlinkSync("9.2.0-0123456789ab", join(host.root, "data/onload/current"));
    const config = host.config({ hostOnloadPath: "/data/onload/", baseMountPath: "/", libMountPath: "/lib64" });
    const { env, mounts } = containerEdits(config, await findInstallation(join(host.root, "data/onload")));
    expect(env["LD_PRELOAD"]).toBe("/lib64/libonload.so");
    expect(mounts[0]).toEqual({
      hostPath: "/data/onload/9.2.0-0123456789ab/usr/lib/x86_64-linux-gnu/libonload.so",
      containerPath: "/lib64/libonload.so",
      readOnly: true,
    });
  });

  test("only the name of a CDI device, with --device-strategy=cdi", async () => {
    await host.addOnload("opt/onload");
    const config = host.config({ strategy: "cdi" });
    const edits = containerEdits(config, await findInstallation(hostDir));
    expect(allocateResponse(config, edits)).toEqual({
      envs: {},
      mounts: [],
      devices: [],
      annotations: {},
      cdiDevices: [{ name: "amd.com/onload=all" }],
    });
    expect(cdiSpec(edits)).toMatchObject({
      cdiVersion: "0.5.0",
      kind: "amd.com/onload",
      devices: [
        {
          name: "all",
          containerEdits: {
            env: ["LD_PRELOAD=/opt/onload/usr/lib64/libonload.so"],
            deviceNodes: ["/dev/onload", "/dev/onload_epoll", "/dev/sfc_char"].map((path) => ({
              path,
              permissions: "rw",
            })),
          },
        },
      ],
    });
    const cdiDir = join(host.root, "var/run/cdi");
    writeCdiSpec(cdiDir, edits);
    writeCdiSpec(cdiDir, edits);
    expect(await Bun.file(join(cdiDir, "amd.com-onload.json")).json()).toEqual(cdiSpec(edits));
    expect([...new Bun.Glob("*").scanSync({ cwd: cdiDir, dot: true })]).toEqual(["amd.com-onload.json"]);
    removeCdiSpec(cdiDir);
    removeCdiSpec(cdiDir);
    expect([...new Bun.Glob("*").scanSync({ cwd: cdiDir, dot: true })]).toEqual([]);
  });
});

test("refusals are sentences that say what to look at", () => {
  expect(refusal(["sfc-0"], 100, [])).toBeUndefined();
  expect(refusal(["sfc-100", "x"], 100, [])).toBe(
    "Cannot allocate amd.com/onload: this node offers sfc-0 to sfc-99, not sfc-100, x",
  );
  expect(refusal(["sfc-0"], 0, [])).toContain("offers no devices");
  expect(refusal(["sfc-0"], 1, ["/dev/onload is missing", "no NIC"])).toBe(
    "Cannot allocate amd.com/onload on this node: /dev/onload is missing; no NIC",
  );
});

test("a file that is no library is no installation", async () => {
  await host.addOnload("opt/onload");
  writeFileSync(join(hostDir, "current"), "");
  expect((await findInstallation(hostDir)).folder).toBe("");
});
