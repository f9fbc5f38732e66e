import { stringify } from "yaml";

/** An archive that krew can download. */
export interface Download {
  /** Such as linux-x64. */
  platform: string;
  uri: string;
  sha256: string;
}

/** The manifest with which krew installs `kubectl onload` (https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/). */
export function krewManifest({ version, downloads }: { version: string; downloads: readonly Download[] }): string {
  const manifest = {
    apiVersion: "krew.googlecontainertools.github.com/v1alpha2",
    kind: "Plugin",
    metadata: { name: "onload" },
    spec: {
      version: `v${version}`,
      shortDescription: "Run AMD Onload on nodes and see what it does",
      description:
        "Shows the rollout of AMD Onload kernel-bypass networking on a cluster, plans and steers it,\nchecks what a cluster lacks for it, and builds the images that it needs.\n",
      caveats:
        "The cluster needs Kernel Module Management and the onloadctl operator:\nsee `kubectl onload manifests install --help`.\n",
      platforms: downloads.map(({ platform, uri, sha256 }) => {
        const [os, arch] = platform.split("-");
        return {
          selector: { matchLabels: { os, arch: arch === "x64" ? "amd64" : arch } },
          uri,
          sha256,
          files: [
            { from: "onloadctl", to: "." },
            { from: "LICENSE", to: "." },
          ],
          bin: "onloadctl",
        };
      }),
    },
  };
  return stringify(manifest, { lineWidth: 0 });
}
