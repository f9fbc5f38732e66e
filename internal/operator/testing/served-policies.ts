/** Admission policies as they are in a cluster. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { AdmissionPolicy } from "../../api/core.ts";

/** A policy as the API server gives it: what its manifest leaves out is filled in. */
export function served(name: string): AdmissionPolicy {
  const folder = join(import.meta.dirname, "../../manifests/admission");
  const file = readFileSync(join(folder, `${name.replace("onload-operator-", "")}.yaml`), "utf8");
  const policy = parseAllDocuments(file)[0]!.toJS() as AdmissionPolicy;
  const match = policy.spec!.matchConstraints!;
  policy.spec!.matchConstraints = { matchPolicy: "Equivalent", namespaceSelector: {}, objectSelector: {}, ...match };
  for (const rule of match.resourceRules!) rule.scope ??= "*";
  return policy;
}
