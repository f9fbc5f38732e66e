import { parseAllDocuments } from "yaml";
import type { AdmissionPolicy } from "../api/core.ts";
import { FILES } from "./files.gen.ts";

let known: ReadonlyMap<string, AdmissionPolicy> | undefined;

/** This version's admission policies, by name. They are read once, because that takes a tenth of a second. */
export function shippedPolicies(): ReadonlyMap<string, AdmissionPolicy> {
  known ??= new Map(
    Object.entries(FILES)
      .filter(([path]) => path.startsWith("admission/"))
      .flatMap(([, text]) => parseAllDocuments(text))
      .map((document) => document.toJS() as AdmissionPolicy)
      .filter(({ kind }) => kind === "ValidatingAdmissionPolicy")
      .map((policy) => [policy.metadata.name, policy]),
  );
  return known;
}
