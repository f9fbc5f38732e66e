/** The CustomResourceDefinition of the Onload resource, made from its schema. Used when files are generated, not at run time. */
import * as z from "zod";
import type { CustomResourceDefinition, JsonSchema } from "./core.ts";
import { NOT_SEEN } from "./headline.ts";
import { MAX_NAMESPACE_AND_NAME, ONLOAD_GROUP, ONLOAD_KIND, ONLOAD_PLURAL, ONLOAD_VERSION } from "./names.ts";
import { onloadSpec } from "./schema.ts";
import { onloadStatus } from "./status-schema.ts";

/** Order of keywords in the YAML, so that a field reads from what it is to what holds for it. */
const KEYWORDS = ["description", "type", "format", "default", "properties", "required", "items"];

/** A namespace has at least one character. */
const MAX_NAME = MAX_NAMESPACE_AND_NAME - 1;

/**
 * Without its CRD every Onload resource is gone. These tell Helm, Argo CD and Flux not to delete it with the rest (their
 * documentation of helm.sh/resource-policy, sync options and Kustomization). kubectl knows nothing of the kind.
 */
const KEPT = {
  "helm.sh/resource-policy": "keep",
  "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
  "kustomize.toolkit.fluxcd.io/prune": "disabled",
};

/** The CRD as the API server takes it. */
export function onloadCrd(): CustomResourceDefinition {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${ONLOAD_PLURAL}.${ONLOAD_GROUP}`, annotations: KEPT },
    spec: {
      group: ONLOAD_GROUP,
      names: {
        kind: ONLOAD_KIND,
        listKind: `${ONLOAD_KIND}List`,
        plural: ONLOAD_PLURAL,
        singular: "onload",
        shortNames: ["onl"],
        categories: ["onload"],
      },
      scope: "Namespaced",
      versions: [
        {
          name: ONLOAD_VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: printerColumns(),
          schema: { openAPIV3Schema: rootSchema() },
        },
      ],
    },
  };
}

/** Keywords that say which values there are and what is there by default. */
const FORM = ["type", "properties", "items", "additionalProperties", "required", "default", "enum"];
const FORM_OF_KUBERNETES = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"];

/** The schema of spec without texts and rules: what {@link withDefaults} works from, small enough for every process. */
export function specForm(): JsonSchema {
  return form(structural(z.toJSONSchema(onloadSpec, { io: "input" }) as JsonSchema));
}

function form(schema: JsonSchema): JsonSchema {
  const out: JsonSchema = {};
  for (const keyword of [...FORM, ...FORM_OF_KUBERNETES]) {
    if (schema[keyword] !== undefined) out[keyword] = schema[keyword];
  }
  const { properties, items } = schema;
  if (properties)
    out.properties = Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, form(field)]));
  if (items) out.items = form(items);
  if (schema["additionalProperties"]) out["additionalProperties"] = form(schema["additionalProperties"] as JsonSchema);
  return out;
}

function printerColumns(): object[] {
  return [
    { name: "Version", type: "string", jsonPath: ".spec.onload.version", description: "Wanted version of Onload" },
    { name: "Desired", type: "integer", jsonPath: ".status.nodes.desired", description: "Nodes that are selected" },
    {
      name: "Ready",
      type: "integer",
      jsonPath: ".status.nodes.ready",
      description: "Nodes that run the wanted version",
    },
    {
      name: "Status",
      type: "string",
      jsonPath: ".status.headline.reason",
      description: "What the operator is doing, or what holds it",
    },
    {
      name: "Upgrading",
      type: "integer",
      priority: 1,
      jsonPath: ".status.nodes.upgrading",
      description: "Nodes in between two states",
    },
    {
      name: "Failed",
      type: "integer",
      priority: 1,
      jsonPath: ".status.nodes.failed",
      description: "Nodes that failed",
    },
    {
      name: "Message",
      type: "string",
      priority: 1,
      jsonPath: ".status.headline.message",
      description: "Why, in a sentence",
    },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ];
}

/**
 * The status of a resource that no operator has looked at. No generation is -1, so that who waits for the resource does
 * not take it for one that has been looked at.
 */
const NEW_STATUS = { observedGeneration: -1, headline: NOT_SEEN };

/** `kubectl explain` shows descriptions, and no defaults. */
function tellDefaults(schema: JsonSchema): JsonSchema {
  const { description, default: value, properties, items } = schema;
  const isTold =
    typeof description === "string" && value !== undefined && (typeof value !== "object" || Array.isArray(value));
  const told = isTold
    ? { description: `${description} Default: ${typeof value === "string" ? value : JSON.stringify(value)}.` }
    : {};
  const below = properties && Object.entries(properties).map(([name, field]) => [name, tellDefaults(field)] as const);
  return {
    ...schema,
    ...told,
    ...(below ? { properties: Object.fromEntries(below) } : {}),
    ...(items ? { items: tellDefaults(items) } : {}),
  };
}

function rootSchema(): JsonSchema {
  return {
    description: "Onload rolls AMD's Onload, kernel-bypass networking, out to nodes of the cluster.",
    type: "object",
    properties: {
      apiVersion: { description: "Version of the schema of this object.", type: "string" },
      kind: { description: "Kind of this object.", type: "string" },
      metadata: { type: "object" },
      spec: tellDefaults(structural(z.toJSONSchema(onloadSpec, { io: "input" }) as JsonSchema)),
      // Until an operator has written a status, kubectl and GitOps tools see that none has.
      status: { ...structural(z.toJSONSchema(onloadStatus, { io: "input" }) as JsonSchema), default: NEW_STATUS },
    },
    required: ["spec"],
    "x-kubernetes-validations": [
      {
        rule: "!self.metadata.name.contains('.')",
        message:
          "metadata.name must have no dots, because it becomes part of KMM's node labels: use lower-case letters, digits and '-'",
      },
      {
        rule: `size(self.metadata.name) <= ${MAX_NAME}`,
        message: `metadata.name must have at most ${MAX_NAME} characters, and with the namespace ${MAX_NAMESPACE_AND_NAME}, because KMM's node labels have no more room: choose a shorter name`,
      },
    ],
  };
}

/**
 * A JSON schema as zod writes it, made structural as Kubernetes wants it: without keywords that the API server
 * rejects or that only repeat what JavaScript's numbers allow, and with int-or-string in Kubernetes' own form.
 */
function structural(schema: JsonSchema): JsonSchema {
  const { anyOf, properties, items, ...rest } = schema;
  const out: JsonSchema = { ...rest };
  delete out["$schema"];
  delete out["propertyNames"];
  if (rest["minimum"] === Number.MIN_SAFE_INTEGER) delete out["minimum"];
  if (rest["maximum"] === Number.MAX_SAFE_INTEGER) delete out["maximum"];
  if (rest["additionalProperties"] === false || rest["x-kubernetes-preserve-unknown-fields"] === true) {
    delete out["additionalProperties"];
  } else if (typeof rest["additionalProperties"] === "object") {
    out["additionalProperties"] = structural(rest["additionalProperties"] as JsonSchema);
  }
  if (anyOf !== undefined) {
    const types = (anyOf as JsonSchema[]).map(({ type }) => type);
    if (types.join() !== "integer,string") throw new Error(`Cannot put a union of ${types.join(", ")} into a CRD`);
    out["anyOf"] = [{ type: "integer" }, { type: "string" }];
    out["x-kubernetes-int-or-string"] = true;
  }
  if (items) out.items = structural(items);
  if (properties && Object.keys(properties).length > 0) {
    out.properties = Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, structural(field)]));
  }
  const rank = (key: string): number => (KEYWORDS.indexOf(key) + KEYWORDS.length + 1) % (KEYWORDS.length + 1);
  return Object.fromEntries(Object.entries(out).sort(([a], [b]) => rank(a) - rank(b)));
}
