/** Makes Helm templates of the manifests: what is the same for all stays as it is, and values stand where they belong. */
import { parseAllDocuments, type Document } from "yaml";
import { render } from "../render.ts";
import type { Value } from "./values.ts";

/** Words that no manifest has: a template comes in the place of each. */
const NAMESPACE = "HELM-TEMPLATE-namespace";
const IMAGE = "HELM-TEMPLATE-image";
/** A value in the place of a field, or more entries of a list or map. */
const VALUE = /^( *)(.*?)HELM-TEMPLATE-(field|more)-([\w.]+)/;

const POD = ["spec", "template", "spec"];
const CONTAINER = [...POD, "containers", 0];
/** Fields of the operator's Deployment that are a value of the chart each. */
const FIELDS: readonly [value: string, path: readonly (string | number)[]][] = [
  ["replicas", ["spec", "replicas"]],
  ["imagePullSecrets", [...POD, "imagePullSecrets"]],
  ["nodeSelector", [...POD, "nodeSelector"]],
  ["tolerations", [...POD, "tolerations"]],
  ["affinity", [...POD, "affinity"]],
  ["topologySpreadConstraints", [...POD, "topologySpreadConstraints"]],
  ["priorityClassName", [...POD, "priorityClassName"]],
  ["image.pullPolicy", [...CONTAINER, "imagePullPolicy"]],
  ["resources", [...CONTAINER, "resources"]],
];
/** Lists and maps of it to which a value adds. */
const ADDITIONS: readonly [value: string, path: readonly (string | number)[]][] = [
  ["extraArgs", [...CONTAINER, "args"]],
  ["extraEnv", [...CONTAINER, "env"]],
  ["podLabels", ["spec", "template", "metadata", "labels"]],
  ["podAnnotations", ["spec", "template", "metadata", "annotations"]],
];

/** What a Prometheus of the Prometheus operator takes by its labels. */
const MONITORING: readonly unknown[] = ["ServiceMonitor", "PodMonitor", "PrometheusRule"];

/** The value that says whether the namespace is among the objects. */
const NAMESPACE_CONDITION = ".Values.namespace.create";

/**
 * A kustomize tree as a template.
 *
 * @param condition what has to be true for these objects to be there; undefined: they always are
 */
export function template(tree: string, condition: string | undefined, schema: Value): string {
  const [plain, secure] = [false, true].map((secureMetrics) =>
    parseAllDocuments(render(tree, { namespace: NAMESPACE, image: IMAGE, secureMetrics }))
      .map((document) => withMarks(document as Document.Parsed))
      .map((document) => object(document, schema))
      .join("")
      .split("\n"),
  );
  const text = either(".Values.metrics.secure", secure!, plain!).join("\n");
  return condition === undefined ? text : only(condition, text);
}

/** Puts marks where values belong. */
function withMarks(document: Document.Parsed): Document.Parsed {
  if (MONITORING.includes(document.get("kind"))) {
    document.setIn(["metadata", "labels", "HELM-TEMPLATE-more-prometheus.labels"], null);
  }
  if (document.get("kind") !== "Deployment") return document;
  for (const [value, path] of FIELDS) document.setIn(path, `HELM-TEMPLATE-field-${value}`);
  for (const [value, path] of ADDITIONS) {
    const isList = Array.isArray((document.getIn(path) as { toJSON: () => unknown }).toJSON());
    if (isList) document.addIn(path, `HELM-TEMPLATE-more-${value}`);
    else document.setIn([...path, `HELM-TEMPLATE-more-${value}`], null);
  }
  return document;
}

/** An object as a template: text that Helm would take for a template is escaped, and then marks become templates. */
function object(document: Document.Parsed, schema: Value): string {
  const text = document
    .toString({ lineWidth: 0, directives: false, flowCollectionPadding: false, nullStr: "" })
    .trimEnd()
    .replaceAll("{{", '{{ "{{" }}')
    .split("\n")
    .map((line) => lineOf(line, schema))
    .join("\n")
    .replaceAll(NAMESPACE, "{{ .Release.Namespace | quote }}")
    .replaceAll(IMAGE, '{{ include "onload-operator.image" . | quote }}');
  const whole = `---\n${text}\n`;
  return document.get("kind") === "Namespace" ? only(NAMESPACE_CONDITION, whole) : whole;
}

function lineOf(line: string, schema: Value): string {
  const [, space = "", rest, what, value] = VALUE.exec(line) ?? [];
  if (value === undefined) return line;
  const path = `.Values.${value}`;
  if (what === "more") return only(path, `${space}{{- toYaml ${path} | nindent ${space.length} }}`, space);
  const key = rest!.replace(/: $/, ":");
  switch (typeOf(value, schema)) {
    case "integer":
      return `${space}${key} {{ ${path} }}`;
    case "string":
      return only(path, `${space}${key} {{ ${path} | quote }}`, space);
    default:
      return only(path, `${space}${key}\n${space}  {{- toYaml ${path} | nindent ${space.length + 2} }}`, space);
  }
}

function typeOf(value: string, schema: Value): string | undefined {
  return value.split(".").reduce<Value | undefined>((at, name) => at?.properties?.[name], schema)?.type;
}

/** Text that is there only if something is true; a value that is empty is not. */
function only(condition: string, text: string, space = ""): string {
  return `${space}{{- if ${condition} }}\n${text}${text.endsWith("\n") ? "" : "\n"}${space}{{- end }}${space === "" ? "\n" : ""}`;
}

/** One of two texts, with what they have in common written once. */
function either(condition: string, yes: readonly string[], no: readonly string[]): string[] {
  const shorter = Math.min(yes.length, no.length);
  let start = 0;
  while (start < shorter && yes[start] === no[start]) start++;
  if (start === yes.length && start === no.length) return [...yes];
  let end = 0;
  while (end < shorter - start && yes.at(-1 - end) === no.at(-1 - end)) end++;
  const [middle, other] = [yes.slice(start, yes.length - end), no.slice(start, no.length - end)];
  const otherwise = other.length === 0 ? [] : ["{{- else }}", ...other];
  return [
    ...yes.slice(0, start),
    `{{- if ${condition} }}`,
    ...middle,
    ...otherwise,
    "{{- end }}",
    ...yes.slice(yes.length - end),
  ];
}
