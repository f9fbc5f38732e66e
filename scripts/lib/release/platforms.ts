/** What executables are made for. On macOS only the commands for a desk are of use. */
export const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"] as const;
export type Platform = (typeof PLATFORMS)[number];

/** Platforms of which a release has images too, by the names of OCI. */
export const ARCHITECTURES: Partial<Record<Platform, "amd64" | "arm64">> = {
  "linux-x64": "amd64",
  "linux-arm64": "arm64",
};

export function isPlatform(text: string): text is Platform {
  return (PLATFORMS as readonly string[]).includes(text);
}

/** The file that scripts/build makes for a platform, below the checkout. */
export function builtFile(platform: Platform): string {
  if (platform === "linux-x64") return "dist/onloadctl";
  return `dist/onloadctl-${platform.replace(/^linux-/, "")}`;
}
