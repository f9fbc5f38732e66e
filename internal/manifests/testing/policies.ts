import { parseAllDocuments } from "yaml";
import { render } from "../render.ts";

/**
 * Some admission policies with their bindings, as YAML. Tests that share a cluster apply only those that they are about,
 * because the others would get in the way of their neighbours.
 *
 * @param names without the operator's name, as in internal/manifests/admission
 */
export function admission(...names: string[]): string {
  const wanted = names.map((name) => `onload-operator-${name}`);
  const documents = parseAllDocuments(render("admission"));
  return documents.filter((each) => wanted.includes(each.getIn(["metadata", "name"]) as string)).join("---\n");
}
