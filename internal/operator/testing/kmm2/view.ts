/** What the model of KMM 2 sees and what it may write. */
import type { DeepReadonly, KubeObject, Node, Pod, Taint, Toleration } from "../../../api/core.ts";
import type { Module, ModuleImagesConfig, NodeModule, NodeModulesConfig } from "../../../api/kmm.ts";
import type { Resource } from "../../../api/resources.ts";

export interface View {
  modules: DeepReadonly<Module>[];
  nodes: DeepReadonly<Node>[];
  configs: DeepReadonly<NodeModulesConfig>[];
  images: DeepReadonly<ModuleImagesConfig>[];
  pods: DeepReadonly<Pod>[];
}

export interface Ref {
  name: string;
  namespace?: string;
}

export type Write =
  | { verb: "create"; resource: Resource; object: KubeObject }
  | { verb: "patch"; resource: Resource; ref: Ref; patch: object; status?: boolean; version?: string | undefined }
  | { verb: "delete"; resource: Resource; ref: Ref };

/** A module in a NodeModulesConfig, with the fields that are carried over to worker pods. */
export interface Entry extends NodeModule {
  serviceAccountName: string;
  tolerations?: Toleration[];
}

export function refOf({ metadata }: DeepReadonly<KubeObject>): Ref {
  return metadata.namespace ? { namespace: metadata.namespace, name: metadata.name } : { name: metadata.name };
}

export function isOf(entry: { namespace: string; name: string }, { metadata }: DeepReadonly<Module>): boolean {
  return entry.namespace === metadata.namespace && entry.name === metadata.name;
}

/** KMM looks at the taints that keep pods away. */
export function isTolerated(node: DeepReadonly<Node>, tolerations: readonly DeepReadonly<Toleration>[]): boolean {
  const taints = node.spec?.taints ?? [];
  return taints.every((taint) => taint.effect === "PreferNoSchedule" || tolerations.some((each) => fits(each, taint)));
}

function fits({ key, operator, value, effect }: DeepReadonly<Toleration>, taint: DeepReadonly<Taint>): boolean {
  if (effect !== undefined && effect !== taint.effect) return false;
  if (key === undefined || key === "") return operator === "Exists";
  return key === taint.key && (operator === "Exists" || (value ?? "") === (taint.value ?? ""));
}
