import type { Resource } from "../../api/resources.ts";

/** The kind of object that tests write: every API server has it, and nothing acts on it. */
export const CONFIG_MAPS: Resource = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};
