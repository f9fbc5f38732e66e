/** How a person confirms that a resource lets go of many nodes that serve pods. */
import type { DeepReadonly } from "../../api/core.ts";
import { CONFIRM_ANNOTATION } from "../../api/names.ts";
import { digestOf } from "../observe/digest.ts";
import type { NodeSelector } from "../observe/selectors.ts";

/** What a confirmation is of, and where it is. */
export type Confirming = DeepReadonly<{
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    generation?: number;
    annotations?: Record<string, string>;
  };
}>;

/** Whether a person has confirmed that nodes without the labels of a selector are let go. */
export function isConfirmed(onload: Confirming, selector: NodeSelector): boolean {
  const given = onload.metadata.annotations?.[CONFIRM_ANNOTATION];
  return given !== undefined && given === confirmationOf(onload, selector);
}

/** The command by which a person does so. */
export function confirmCommand(onload: Confirming, selector: NodeSelector): string {
  const { name, namespace } = onload.metadata;
  const value = confirmationOf(onload, selector);
  return `kubectl annotate onload ${name} -n ${namespace} ${CONFIRM_ANNOTATION}=${value} --overwrite`;
}

/**
 * An annotation outlives what it was meant for, in a file or a backup, and generations count from 1 again when a resource is
 * made anew: the number alone could confirm what nobody has seen.
 */
function confirmationOf({ metadata: { uid, generation } }: Confirming, selector: NodeSelector): string {
  return `${generation}-${digestOf([uid, generation, selector]).slice(0, 8)}`;
}
