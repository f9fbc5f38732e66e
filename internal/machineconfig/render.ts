import { basename } from "node:path";
import { Document, isMap, isScalar, isSeq, Scalar } from "yaml";
import { documentText } from "../cli/yaml.ts";
import { BOOT_FILES, bootUnits } from "./boot-service.ts";
import { ignitionConfig } from "./ignition.ts";
import type { Inputs } from "./inputs.ts";
import { machineConfig, machineConfigLabels } from "./machine-config.ts";

/** What to print: OpenShift's resource, Butane's source of it, or the Ignition config inside. */
export type Format = "machineconfig" | "butane" | "ignition";

/** A text to print or to write, and the files that it refers to by name. */
export interface Rendered {
  text: string;
  files: { name: string; contents: string; mode: number }[];
}

/**
 * Renders the boot service.
 *
 * @param localFiles Butane only: refer to the scripts as files beside the text (`contents.local`), as people keep
 *   Butane sources under version control. Otherwise the text stands by itself.
 */
export function render(inputs: Inputs, format: Format, localFiles = false): Rendered {
  if (format === "butane") return butane(inputs, localFiles);
  if (format === "ignition") return { text: `${JSON.stringify(ignitionConfig(inputs), null, 2)}\n`, files: [] };
  return { text: yaml(machineConfig(inputs), inputs, ["spec", "config", "systemd", "units"]), files: [] };
}

function butane(inputs: Inputs, localFiles: boolean): Rendered {
  const config = {
    variant: "openshift",
    version: inputs.target.butane,
    metadata: { name: inputs.name, labels: machineConfigLabels(inputs.role) },
    systemd: { units: bootUnits(inputs.moduleImage).map(({ why: _, ...unit }) => unit) },
    storage: {
      files: BOOT_FILES.map(({ path, mode, contents }) => ({
        path,
        mode: octal(mode),
        overwrite: true,
        user: { name: "root" },
        contents: localFiles ? { local: basename(path) } : { inline: contents },
      })),
    },
  };
  const files = BOOT_FILES.map(({ path, mode, contents }) => ({ name: basename(path), mode, contents }));
  return { text: yaml(config, inputs, ["systemd", "units"]), files: localFiles ? files : [] };
}

/** Permission bits in octal, such as 0755. Butane reads YAML 1.1, in which this is octal; in YAML 1.2 it would be 755. */
function octal(mode: number): Scalar {
  const scalar = new Scalar(mode);
  scalar.format = "OCT";
  return scalar;
}

/** YAML 1.1, with each unit's reason as a comment above it. */
function yaml(value: object, inputs: Inputs, unitsPath: string[]): string {
  const document = new Document(value, { version: "1.1" });
  const units = document.getIn(unitsPath);
  const reasons = new Map(bootUnits(inputs.moduleImage).map(({ name, why }) => [name, why]));
  for (const unit of isSeq(units) ? units.items : []) {
    if (!isMap(unit)) continue;
    const name = unit.get("name", true);
    const why = isScalar(name) ? reasons.get(String(name.value)) : undefined;
    if (why) unit.commentBefore = why.replaceAll(/^/gm, " ");
  }
  return documentText(document, { lineWidth: 0 });
}
