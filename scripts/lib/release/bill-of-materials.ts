import { cycloneDx } from "../../../internal/images/sbom.ts";
import type { Bundled } from "../third-party.ts";

/** What the bill of an executable is made from. */
export interface ExecutableFacts {
  version: string;
  platform: string;
  /** Of the executable. */
  sha256: string;
  packages: readonly Bundled[];
  /** Version of the runtime in it. */
  bun: string;
  /** RFC 3339. */
  date: string;
}

/** The bill of materials of an executable as CycloneDX 1.6 JSON: Bun, and the packages that the bundler has put into it. */
export function billOfMaterials({ version, platform, sha256, packages, bun, date }: ExecutableFacts): object {
  const component = (name: string, release: string, license: string): object => {
    const purl = `pkg:npm/${name.replace(/^@/, "%40")}@${release}`;
    return { type: "library", "bom-ref": purl, name, version: release, purl, licenses: [{ expression: license }] };
  };
  const own = `pkg:generic/onloadctl@${version}?platform=${platform}`;
  const components = [
    component("bun", bun, "MIT"),
    ...packages.map((each) => component(each.name, each.version, each.license)),
  ];
  return cycloneDx({
    metadata: {
      timestamp: date,
      component: {
        type: "application",
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
