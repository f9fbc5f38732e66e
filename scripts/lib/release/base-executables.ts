/** The programs that `bun build --compile` puts our code into. Bun downloads one for each target, and checks none of them. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { output } from "../../../internal/testcluster/lib/command.ts";
import type { Platform } from "./platforms.ts";

/** Names of the programs, and their digests: every release with this commit has the same in it. */
export const BASE_EXECUTABLES: { readonly version: string } & Readonly<
  Record<Platform, { readonly name: string; readonly sha256: string }>
> = {
  /** Of Bun, the one that package.json pins. */
  version: "1.4.5",
  "linux-x64": {
    name: "bun-linux-x64-baseline",
    sha256: "f05d28a3862f4b84395c7fa32480b835dd47482e80b7e7a49a115227f0c06083",
  },
  "linux-arm64": {
    name: "bun-linux-aarch64",
    sha256: "04778f1f42399a69d086853e9c7af4acf574b2f21a43d0dc673853d8b84a2923",
  },
  "darwin-x64": {
    name: "bun-darwin-x64-baseline",
    sha256: "88f97645b270aef20f9f9442f1658461cab3e7128e658af4615144e3396f084a",
  },
  "darwin-arm64": {
    name: "bun-darwin-aarch64",
    sha256: "e2984124f1514e1e6bbda20adedbf07a02c443c6a5828853a15c7c7abf78e19f",
  },
};

/** Where Bun keeps what it downloads, as it says itself. */
export function downloadFolder(): Promise<string> {
  return output([process.execPath, "pm", "cache"]);
}

/**
 * Makes sure that an executable was made of the program that it should be made of.
 *
 * @param folder of {@link downloadFolder}
 * @returns its package URL and SHA-256
 * @throws Error if it is another, or is not there
 */
export async function baseExecutable(platform: Platform, folder: string): Promise<{ uri: string; sha256: string }> {
  const { name, sha256 } = BASE_EXECUTABLES[platform];
  const { version } = BASE_EXECUTABLES;
  const file = join(folder, `${name}-v${version}`);
  const found = createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
  if (found !== sha256) {
    throw new Error(
      `Cannot release for ${platform}: the SHA-256 of ${file} is ${found}, and should be ${sha256}. Remove the file, and Bun downloads it again`,
    );
  }
  return { uri: `pkg:generic/${name}@${version}`, sha256 };
}
