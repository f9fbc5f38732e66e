/** What can be set in the Helm chart: one schema, from which values.yaml and values.schema.json are made. */
import { Document, Pair, Scalar, YAMLMap } from "yaml";
import type { JsonSchema } from "../../api/core.ts";
import { PART_OF_LABEL } from "../../api/names.ts";
import { DIGEST } from "../../api/references.ts";
import { documentText } from "../../cli/yaml.ts";
import type { Deployment } from "../render.ts";

/** A value of the chart. Without a default it is in the schema alone. */
export interface Value extends JsonSchema {
  description?: string;
  default?: unknown;
  properties?: Record<string, Value>;
}

/** The parts of a reference such as registry:5000/onloadctl:1.0@sha256:…; a part that is not there is empty. */
export function imageParts(image: string): { repository: string; tag: string; digest: string } {
  const [, repository = "", tag = "", digest = ""] = /^(.*?)(?::([^/@:]+))?(?:@(.+))?$/.exec(image) ?? [];
  return { repository, tag, digest };
}

/**
 * The schema of the chart's values. Defaults of the operator's pod are those of its Deployment.
 *
 * @param image the default; empty: whoever installs has to name one
 */
export function valuesSchema(deployment: Deployment, image: string): Value {
  const { replicas, template } = deployment.spec;
  const { nodeSelector, priorityClassName, containers } = template.spec;
  const { repository, tag, digest } = imageParts(image);
  return object("", {
    global: { type: "object", description: "Of a chart that has this one as a dependency" },
    // Helm itself reads it, as the condition of such a chart, and gives it to this one too.
    enabled: { type: "boolean", description: "Whether a chart that has this one as a dependency installs it" },
    image: object("Image of onloadctl, which is the operator and, by default, the device plugin", {
      repository: text("Registry and path, such as registry.example.com/trading/onloadctl", repository),
      tag: text("Without tag and digest it is the version of this chart's onloadctl", tag),
      digest: {
        ...text("Such as sha256:…; it decides, whatever the tag is", digest),
        pattern: `^(${DIGEST})?$`,
      },
      pullPolicy: { ...text("Empty: as Kubernetes chooses by the tag", ""), enum: ["", ...PULL_POLICIES] },
    }),
    imagePullSecrets: list(
      "Secrets with the registry's login, such as [{name: my-registry}]",
      object("", { name: { type: "string" } }, ["name"]),
    ),
    replicas: { type: "integer", minimum: 0, description: "One is the leader, others stand by", default: replicas },
    extraArgs: list("Further flags of `onloadctl operator`, such as --watch-namespaces=trading", { type: "string" }),
    extraEnv: list("Further variables, such as {name: DEVICE_PLUGIN_IMG, value: registry.example.com/onloadctl:1}", {
      type: "object",
      required: ["name"],
    }),
    podLabels: entries("Further labels of the operator's pods", template.metadata.labels),
    podAnnotations: entries("Further annotations of the operator's pods", template.metadata.annotations),
    resources: { type: "object", description: "Of the operator's container", default: containers[0]!.resources },
    nodeSelector: { ...entries("Nodes on which the operator may run"), default: nodeSelector },
    tolerations: list("Taints that the operator tolerates", { type: "object" }),
    affinity: {
      type: "object",
      description: "Rules by which the scheduler chooses the node of the operator",
      default: {},
    },
    topologySpreadConstraints: list("How several replicas are spread", { type: "object" }),
    priorityClassName: text("Priority of the operator's pods", priorityClassName),
    crds: object("The CustomResourceDefinition of Onload resources", {
      enabled: flag("Install it, and upgrade it with the chart. Removing the release leaves it in any case", true),
    }),
    admissionPolicies: object(
      "What protects nodes from other people's mistakes; Kubernetes before 1.30 does not know it",
      {
        enabled: {
          enum: ["auto", true, false],
          description: "Install the policies, or not; auto: if the cluster knows them",
          default: "auto",
        },
      },
    ),
    networkPolicy: object("Who reaches the operator's metrics", {
      enabled: flag("Let only namespaces of monitoring, and those with the label metrics: enabled, reach them", true),
    }),
    metrics: object("Metrics of the operator", {
      secure: flag("Serve them by TLS, and only to those whom the API server allows to get /metrics", false),
    }),
    prometheus: object("For clusters with the Prometheus operator", {
      enabled: flag("Install monitors, alert rules and a Grafana dashboard", false),
      labels: entries(
        "Labels by which your Prometheus takes monitors and rules, such as release: NAME for a kube-prometheus-stack",
        MONITORING_LABELS,
      ),
    }),
    openshift: object("For OpenShift", {
      enabled: flag("Install the ClusterRole by which a ServiceAccount may use the privileged SCC", false),
    }),
    namespace: object("The namespace of the release", {
      create: flag(
        "Have it among the objects, with Pod Security's level restricted: for `helm template` and what uses that. `helm install` needs it before, and makes it with --create-namespace",
        false,
      ),
    }),
  });
}

/** Labels that monitors and rules have already. */
const MONITORING_LABELS = { [PART_OF_LABEL]: "onload", "control-plane": "controller-manager" };

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];

/** values.schema.json. Helm refuses values that it does not allow, unknown ones too. */
export function schemaFile(schema: Value): string {
  return `${JSON.stringify({ $schema: "http://json-schema.org/draft-07/schema#", ...schema }, null, 2)}\n`;
}

/** values.yaml: every default, with what it is for. */
export function valuesFile(schema: Value): string {
  const document = new Document();
  document.contents = defaults(document, schema) as typeof document.contents;
  return documentText(document, { lineWidth: 0, flowCollectionPadding: false });
}

function defaults(document: Document, { properties = {} }: Value): YAMLMap {
  const map = new YAMLMap();
  for (const [name, value] of Object.entries(properties)) {
    if (value.properties === undefined && value.default === undefined) continue;
    const key = new Scalar(name);
    key.commentBefore = (value.description ?? "").replaceAll(/(.{1,110})(?: |$)/g, " $1\n").trimEnd();
    key.spaceBefore = value.properties !== undefined;
    map.items.push(new Pair(key, value.properties ? defaults(document, value) : document.createNode(value.default)));
  }
  return map;
}

function object(description: string, properties: Record<string, Value>, required: string[] = []): Value {
  const described = description === "" ? {} : { description };
  const needed = required.length === 0 ? {} : { required };
  return { type: "object", ...described, ...needed, properties, additionalProperties: false };
}

function list(description: string, items: Value): Value {
  return { type: "array", description, default: [], items };
}

/** A map of texts, without those keys that the manifests have already. */
function entries(description: string, taken: Record<string, string> = {}): Value {
  const names = Object.keys(taken);
  const free = names.length === 0 ? {} : { propertyNames: { not: { enum: names } } };
  return { type: "object", description, default: {}, additionalProperties: { type: "string" }, ...free };
}

function text(description: string, value: string): Value {
  return { type: "string", description, default: value };
}

function flag(description: string, value: boolean): Value {
  return { type: "boolean", description, default: value };
}
