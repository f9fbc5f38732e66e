/** Whether the CRD of Onload resources that is installed is at least as new as this operator. */
import { firstFew } from "../../cli/first-few.ts";
import type { CustomResourceDefinition, DeepReadonly, JsonSchema } from "../../api/core.ts";
import { ONLOAD_GROUP, ONLOAD_PLURAL, ONLOAD_VERSION } from "../../api/names.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { REASON } from "../../api/reasons.ts";
import { SPEC_FORM } from "../../api/spec-form.gen.ts";
import type { Stores } from "../cache/caches.ts";
import type { ResourceProblem } from "./preflight.ts";

/** What the operator keeps in status, and reads again. */
const STATUS_FIELDS = Object.keys({
  conditions: true,
  headline: true,
  lastReady: true,
  nodes: true,
  observedGeneration: true,
  problems: true,
  rollback: true,
  selector: true,
  selectorHeldBack: true,
  stalledSince: true,
  version: true,
} satisfies Record<keyof OnloadStatus, true>);

/**
 * The problem of a CRD that lacks fields, such as an earlier version's or the original operator's. The API server drops
 * what it does not know: without status.selector, say, a typo in spec.selector would not be held back.
 */
export function crdProblem({ crds }: Pick<Stores, "crds">): ResourceProblem | undefined {
  const schema = schemaOf(crds.store.get(`${ONLOAD_PLURAL}.${ONLOAD_GROUP}`));
  if (!schema) return undefined;
  const { spec, status } = schema.properties ?? {};
  const missing = [
    ...missingIn(SPEC_FORM, spec, "spec"),
    ...STATUS_FIELDS.filter((field) => status?.properties?.[field] === undefined).map((field) => `status.${field}`),
  ];
  if (missing.length === 0) return undefined;
  const lost = keepsPaused({ crds })
    ? ""
    : "; no node is upgraded until then: look at spec.upgrade afterwards, because it may be lost";
  const message = `The CRD of Onload resources is older than the operator, and the API server drops ${firstFew(missing, 3)}: onloadctl manifests crd | kubectl apply --server-side --force-conflicts -f -${lost}`;
  return { reason: REASON.CrdOutdated, message };
}

/** Whether the API server keeps spec.upgrade.paused, as far as is known. With a CRD that lacks it, it drops a person's wish. */
export function keepsPaused({ crds }: Pick<Stores, "crds">): boolean {
  const schema = schemaOf(crds.store.get(`${ONLOAD_PLURAL}.${ONLOAD_GROUP}`));
  const upgrade = schema?.properties?.["spec"]?.properties?.["upgrade"];
  return schema === undefined || upgrade?.properties?.["paused"] !== undefined;
}

function schemaOf(crd: DeepReadonly<CustomResourceDefinition> | undefined): DeepReadonly<JsonSchema> | undefined {
  return crd?.spec.versions.find(({ name }) => name === ONLOAD_VERSION)?.schema?.openAPIV3Schema;
}

/** Paths of the fields that an installed schema lacks; of a field that is missing, none below it. */
function missingIn(
  wanted: DeepReadonly<JsonSchema>,
  installed: DeepReadonly<JsonSchema> | undefined,
  path: string,
): string[] {
  if (!installed) return [path];
  const below = Object.entries(wanted.properties ?? {}).flatMap(([name, field]) =>
    missingIn(field, installed.properties?.[name], `${path}.${name}`),
  );
  const items = wanted.items && installed.items ? missingIn(wanted.items, installed.items, `${path}[]`) : [];
  return [...below, ...items];
}
