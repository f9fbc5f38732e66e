import type * as z from "zod";
import type { DeepReadonly, KubeObject } from "./core.ts";
import { MAX_NAMESPACE_AND_NAME } from "./names.ts";
import { DEFAULT_PARAMETERS, PLUGIN_DEFAULTS } from "./plugin-pod.ts";
import type { onloadSpec } from "./schema.ts";
import { SPEC_FORM } from "./spec-form.gen.ts";
import type { onloadStatus } from "./status-schema.ts";
import { applySchema } from "./structural.ts";

/** spec of an Onload resource, with every default filled in. */
export type OnloadSpec = z.output<typeof onloadSpec>;
/** spec of an Onload resource as a person writes it. */
export type OnloadSpecInput = z.input<typeof onloadSpec>;
/** status of an Onload resource. */
export type OnloadStatus = z.output<typeof onloadStatus>;
/** A node's entry in status.problems. */
export type NodeProblem = NonNullable<OnloadStatus["problems"]>[number];
/** status.nodes. */
export type NodeCounts = NonNullable<OnloadStatus["nodes"]>;
/** One entry of spec.onload.kernelMappings. */
export type OnloadKernelMapping = OnloadSpec["onload"]["kernelMappings"][number];

/** An Onload resource, with every default filled in. */
export interface Onload extends KubeObject {
  kind: "Onload";
  spec: OnloadSpec;
  status?: OnloadStatus;
}

/**
 * An Onload resource with every default filled in, as the API server does it, and with the former spelling
 * libMounthPath resolved into libMountPath.
 *
 * @throws Error naming the field, if the spec does not have the form that the CRD asks for
 */
export function withDefaults(raw: DeepReadonly<KubeObject> & { spec?: unknown; status?: unknown }): Onload {
  try {
    const spec = applySchema(raw.spec, SPEC_FORM, "spec") as OnloadSpec;
    spec.devicePlugin.libMountPath ??= spec.devicePlugin.libMounthPath ?? PLUGIN_DEFAULTS.libMountPath;
    return { ...(raw as KubeObject), kind: "Onload", spec } as Onload;
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(`Cannot read Onload ${raw.metadata.namespace ?? ""}/${raw.metadata.name}: ${reason}`, {
      cause: error,
    });
  }
}

/** spec.onload, with every default filled in; undefined if the value does not have its form. */
export function readOnloadVersion(value: unknown): OnloadSpec["onload"] | undefined {
  try {
    return applySchema(value, SPEC_FORM.properties!["onload"]!, "spec.onload") as OnloadSpec["onload"];
  } catch {
    return undefined;
  }
}

/** Arguments of onload_cp_server. */
export function controlPlaneParameters(spec: DeepReadonly<OnloadSpec>): readonly string[] {
  return spec.onload.controlPlane?.parameters ?? DEFAULT_PARAMETERS;
}

/** Whether the operator manages the sfc driver too: at least one kernel mapping says so. */
export function managesSfc(spec: DeepReadonly<Pick<OnloadSpec, "onload">>): boolean {
  return spec.onload.kernelMappings.some(({ sfc }) => sfc !== undefined);
}

/**
 * What makes a resource impossible although its spec has the right form: rules about name and namespace together,
 * which a CRD cannot express.
 *
 * @returns undefined, or a sentence with the remedy
 */
export function nameProblem({ name, namespace = "" }: { name: string; namespace?: string }): string | undefined {
  if (name.includes(".")) {
    return `metadata.name "${name}" must have no dots, because it becomes part of KMM's node labels: use lower-case letters, digits and '-'`;
  }
  const length = name.length + namespace.length;
  if (length > MAX_NAMESPACE_AND_NAME) {
    return `metadata.name and metadata.namespace have ${length} characters together, and KMM's node labels have room for ${MAX_NAMESPACE_AND_NAME}: choose a shorter name`;
  }
  return undefined;
}
