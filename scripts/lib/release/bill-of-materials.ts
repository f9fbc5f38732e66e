import { cycloneDx } from "../../../internal/images/sbom.ts";
import type { Bundled } from "../third-party.ts";

/** What the bill of an executable, or of an image that has it, is made from. */
export interface BillFacts {
  version: string;
  platform: string;
  /** Of the executable, or of the image's manifest. */
  sha256: string;
  packages: readonly Bundled[];
  /** Version of the runtime in it. */
  bun: string;
  /** RFC 3339. */
  date: string;
  /** Debian's package in an image; an executable has none. */
  cLibrary?: { name: string; version: string; suite: string } | undefined;
}

/**
 * The bill of materials of an executable, or of an image, as CycloneDX 1.6 JSON: Bun, the packages that the bundler has put
 * into it, and the C library of an image.
 */
export function billOfMaterials({ version, platform, sha256, packages, bun, date, cLibrary }: BillFacts): object {
  const component = (name: string, release: string, license: string): object => {
    const purl = `pkg:npm/${name.replace(/^@/, "%40")}@${release}`;
    return { type: "library", "bom-ref": purl, name, version: release, purl, licenses: [{ expression: license }] };
  };
  const own =
    cLibrary === undefined
      ? `pkg:generic/onloadctl@${version}?platform=${platform}`
      : `pkg:oci/onloadctl@sha256:${sha256}?tag=${version}`;
  const components = [
    ...(cLibrary === undefined ? [] : [debianComponent(cLibrary, platform)]),
    component("bun", bun, "MIT"),
    ...packages.map((each) => component(each.name, each.version, each.license)),
  ];
  return cycloneDx({
    metadata: {
      timestamp: date,
      component: {
        type: cLibrary === undefined ? "application" : "container",
        "bom-ref": own,
        name: "onloadctl",
        version,
        hashes: [{ alg: "SHA-256", content: sha256 }],
        licenses: [{ expression: "MIT" }],
        properties: [{ name: "onloadctl:platform", value: platform }],
      },
    },
    components,
    dependencies: [{ ref: own, dependsOn: components.map((each) => (each as { "bom-ref": string })["bom-ref"]) }],
  });
}

function debianComponent(
  { name, version, suite }: { name: string; version: string; suite: string },
  platform: string,
): object {
  const arch = platform.slice(platform.indexOf("-") + 1);
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${arch}&distro=${suite}`;
  return { type: "library", "bom-ref": purl, name, version, purl, licenses: [{ expression: "LGPL-2.1-or-later" }] };
}
