import type { DaemonSet, DeepReadonly } from "../../api/core.ts";
import { TEMPLATE_ANNOTATION, VERSION_LABEL } from "../../api/names.ts";

/** Whether the DaemonSet controller has seen the template of the wanted version. */
export function hasSeenTemplate(
  daemonSet: DeepReadonly<DaemonSet> | undefined,
  version: string,
  template: string,
): boolean {
  if (!daemonSet) return false;
  const { labels, annotations = {} } = daemonSet.spec.template.metadata;
  const current = labels[VERSION_LABEL] === version && annotations[TEMPLATE_ANNOTATION] === template;
  return current && (daemonSet.status?.observedGeneration ?? 0) >= (daemonSet.metadata.generation ?? 0);
}
