import { parseOpenShiftVersion } from "../api/openshift-version.ts";
import { fieldsOf, parseJson } from "../cli/json.ts";
import { lastLines } from "./diagnose.ts";
import type { RegistryOptions } from "./engine.ts";
import type { LocalStore } from "./local-store.ts";
import type { Kernel } from "./plan.ts";
import type { Runner } from "./runner.ts";

/** The kernels that a Driver Toolkit image is made for. */
export interface DriverToolkit {
  /** As `uname -r` prints it. */
  kernel: string;
  /** The real-time kernel whose headers it has too. */
  realTimeKernel?: string;
}

/** The file of a Driver Toolkit image that names them. */
const RELEASE_FILE = "etc/driver-toolkit-release.json";

/**
 * The release as `oc adm release info` takes it. It looks for a bare version among OpenShift's releases; those of OKD are
 * elsewhere. Anything else is the image of a release.
 */
export function releaseOf(version: string): string {
  const { release } = parseOpenShiftVersion(version) ?? { release: version };
  if (/\bokd-scos\b/.test(release)) return `quay.io/okd/scos-release:${release}`;
  if (/\bokd-/.test(release)) return `quay.io/openshift/okd:${release}`;
  return release;
}

/**
 * Asks `oc` which Driver Toolkit belongs to an OpenShift release, such as 4.14.12.
 *
 * @throws Error if oc is not there or does not know the release
 */
export async function toolkitOfRelease(
  release: string,
  {
    runner,
    registry,
    signal,
  }: { runner: Runner; registry: Pick<RegistryOptions, "authfile">; signal?: AbortSignal | undefined },
): Promise<string> {
  const login = registry.authfile === undefined ? [] : ["--registry-config", registry.authfile];
  const command = ["oc", "adm", "release", "info", releaseOf(release), "--image-for=driver-toolkit", ...login];
  try {
    const { code, stdout, output } = await runner.run(command, { signal });
    const image = stdout.trim();
    if (code === 0 && /^\S+$/.test(image)) return image;
    throw new Error(lastLines(output, 1)[0] ?? `oc exits with ${code}`);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Error(
      `Cannot find the Driver Toolkit of OpenShift ${release}: ${(cause as Error).message}; ` +
        "see that oc is installed and logged in to the release's registry, or give the image with --dtk-image",
      { cause },
    );
  }
}

/** Reads /etc/driver-toolkit-release.json. @throws Error if the text is not that of a Driver Toolkit */
export function parseToolkit(text: string): DriverToolkit {
  const { KERNEL_VERSION: kernel, RT_KERNEL_VERSION: realTimeKernel } = fieldsOf(parseJson(text)) ?? {};
  if (typeof kernel !== "string" || kernel === "") throw new Error("it names no KERNEL_VERSION");
  return { kernel, ...(typeof realTimeKernel === "string" && realTimeKernel !== "" ? { realTimeKernel } : {}) };
}

/**
 * Names of a kernel that is not real-time. Toolkits for arm64 have the packages kernel-64k-* of the same version, too (since
 * openshift/driver-toolkit#140), and no name of them; uname -r adds `+64k`.
 */
function namesOf(version: string): string[] {
  return version.endsWith(".aarch64") ? [version, `${version}+64k`] : [version];
}

/**
 * Names of a real-time kernel. Since RHEL 9.3 it is built from the same package as the other, and uname -r adds `+rt`, which
 * the Driver Toolkits before openshift/driver-toolkit#154 leave out.
 */
function realTimeNames(version: string): string[] {
  return /\+rt$|\.rt\d/.test(version) ? [version] : [version, `${version}+rt`];
}

/** Opens a Driver Toolkit image and reads which kernels it is for. @throws Error if it is none */
export async function readToolkit(store: LocalStore, image: string): Promise<DriverToolkit> {
  const text = await store.readFile(image, RELEASE_FILE);
  if (text === undefined) throw new Error(`Cannot use ${image} as a Driver Toolkit: it has no /${RELEASE_FILE}`);
  try {
    return parseToolkit(text);
  } catch (cause) {
    throw new Error(`Cannot use ${image} as a Driver Toolkit: /${RELEASE_FILE}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/**
 * Assigns a toolkit to each kernel. If no kernels are wanted, each toolkit builds for the kernel that it is made for.
 *
 * @throws Error if a wanted kernel is that of no toolkit
 */
export function matchKernels(
  toolkits: readonly (DriverToolkit & { image: string })[],
  wanted: readonly string[],
): Kernel[] {
  if (wanted.length === 0) return toolkits.map(({ image, kernel }) => ({ version: kernel, builder: image }));
  return wanted.map((version) => {
    const found = toolkits.find(
      ({ kernel, realTimeKernel }) =>
        namesOf(kernel).includes(version) ||
        (realTimeKernel !== undefined && realTimeNames(realTimeKernel).includes(version)),
    );
    if (found) return { version, builder: found.image };
    const have = toolkits.map(
      ({ image, kernel, realTimeKernel }) =>
        `${image} is for ${realTimeKernel === undefined ? kernel : `${kernel} and ${realTimeKernel}`}`,
    );
    throw new Error(`Cannot build for kernel ${version}: the Driver Toolkit ${have.join("; ")}`);
  });
}
