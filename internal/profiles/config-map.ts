import { Document, isMap, isScalar } from "yaml";
import { PART_OF_LABEL } from "../api/names.ts";
import { documentText } from "../cli/yaml.ts";
import type { ProfileSetting } from "./evaluate.ts";
import { isOnloadVariable } from "./names.ts";

/** What a ConfigMap is made from. */
export interface ConfigMapOptions {
  name: string;
  namespace?: string | undefined;
  /** The names of the profiles, for a comment. */
  profiles: readonly string[];
  settings: readonly ProfileSetting[];
}

/** The variables of Onload among others that a profile sets. */
export function onloadSettings(settings: readonly ProfileSetting[]): ProfileSetting[] {
  return settings.filter(({ name }) => isOnloadVariable(name));
}

/** A ConfigMap for envFrom with the EF_ variables of profiles, as YAML. */
export function profileConfigMap({ name, namespace, profiles, settings }: ConfigMapOptions): string {
  const document = new Document({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { [PART_OF_LABEL]: "onload" },
    },
    data: Object.fromEntries(onloadSettings(settings).map((setting) => [setting.name, setting.value])),
  });
  const many = profiles.length > 1 ? "profiles" : "profile";
  document.commentBefore = ` Onload's ${many} ${profiles.join(", ")} as environment variables. Add it to a container with envFrom.`;
  const data = document.get("data");
  // Every value is a string, whatever it looks like.
  if (isMap(data)) for (const { value } of data.items) if (isScalar(value)) value.type = "QUOTE_DOUBLE";
  return documentText(document, { lineWidth: 0 });
}
