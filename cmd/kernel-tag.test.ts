/** The name of a kernel's image is the same for build-images, the operator, the boot service of a node, and KMM. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { kernelTag } from "../internal/api/kernel-tag.ts";
import type { Module } from "../internal/api/kmm.ts";
import { imageName } from "../internal/images/plan.ts";
import { kmmFor } from "../internal/operator/kmm/installed.ts";
import { imageFor } from "../internal/operator/kmm/module-config.ts";

const BOOT = join(import.meta.dirname, "../internal/machineconfig/boot/sfc-boot-common.sh");

/** By uname -r of each distribution: the tag, as KMM 2.1.1's own NormalizeVersion has it, after its cut of one trailing +. */
const KERNELS: [string, string, string][] = [
  ["RHEL", "5.14.0-427.18.1.el9_4.x86_64", "5.14.0-427.18.1.el9_4.x86_64"],
  ["RHEL, real-time", "5.14.0-427.18.1.el9_4.x86_64+rt", "5.14.0-427.18.1.el9_4.x86_64_rt"],
  ["RHEL 8, real-time", "4.18.0-372.49.1.rt7.206.el8_6.x86_64", "4.18.0-372.49.1.rt7.206.el8_6.x86_64"],
  ["RHEL, debug", "5.14.0-427.18.1.el9_4.x86_64+debug", "5.14.0-427.18.1.el9_4.x86_64_debug"],
  ["RHEL, 64k pages", "5.14.0-427.18.1.el9_4.aarch64+64k", "5.14.0-427.18.1.el9_4.aarch64_64k"],
  ["RHEL, 64k pages, debug", "5.14.0-427.18.1.el9_4.aarch64+64k-debug", "5.14.0-427.18.1.el9_4.aarch64_64k-debug"],
  ["RHEL, real-time, 64k", "5.14.0-570.12.1.el9_6.aarch64+rt-64k", "5.14.0-570.12.1.el9_6.aarch64_rt-64k"],
  ["Debian", "6.1.0-42-amd64", "6.1.0-42-amd64"],
  ["Debian, real-time", "6.1.0-42-rt-amd64", "6.1.0-42-rt-amd64"],
  ["Debian, backported", "6.12.9+bpo-amd64", "6.12.9_bpo-amd64"],
  ["Debian 13", "6.12.48+deb13-cloud-amd64", "6.12.48_deb13-cloud-amd64"],
  ["Ubuntu", "6.8.0-45-generic", "6.8.0-45-generic"],
  ["Ubuntu, low latency", "6.8.0-1021-aws", "6.8.0-1021-aws"],
  ["SLES", "6.4.0-150600.23.17-default", "6.4.0-150600.23.17-default"],
  ["SLES, real-time", "6.4.0-150600.10.5-rt", "6.4.0-150600.10.5-rt"],
  ["Flatcar", "6.6.54-flatcar", "6.6.54-flatcar"],
  ["Google's COS", "6.1.100+", "6.1.100"],
  ["built from a changed tree", "6.12.0-rc1-00012-gabcdef-dirty+", "6.12.0-rc1-00012-gabcdef-dirty"],
  ["two", "6.12.0++", "6.12.0_"],
  ["of an odd name", "6.1.0~rc1:x", "6.1.0_rc1_x"],
];

test.each(KERNELS)("%s: %s", async (_name, kernel, tag) => {
  expect(kernelTag(kernel)).toBe(tag);
  const image = `r/onload-module:9.1.0-${tag}`;
  expect(imageName({ registry: "r" }, "module", "9.1.0", kernel)).toBe(image);
  const containerImage = "r/onload-module:9.1.0-${KERNEL_FULL_VERSION}";
  const module = {
    metadata: { name: "m", namespace: "n" },
    spec: { moduleLoader: { container: { kernelMappings: [{ regexp: ".", containerImage }] } } },
  } as unknown as Module;
  const kmm = kmmFor({ tolerations: true, pluralInTree: true, nodeModulesConfig: true, moduleImagesConfig: true });
  expect(imageFor(module, kernel, kmm)).toBe(image);
  const script = `uname() { printf '%s\\n' "$KERNEL"; }; . '${BOOT}'; printf %s "$image"`;
  const env = { ...process.env, KERNEL: kernel, ONLOAD_MODULE_IMAGE: containerImage, LC_ALL: "C.UTF-8" };
  const { stdout } = Bun.spawnSync(["bash", "-c", script], { env });
  expect(stdout.toString()).toBe(image);
});
