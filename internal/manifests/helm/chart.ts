/** The Helm chart: the same manifests as templates, so that Helm installs what `onloadctl manifests install` prints. */
import { parseAllDocuments, stringify } from "yaml";
import { OLDEST_MINOR } from "../kubernetes-version.ts";
import { render, type Deployment } from "../render.ts";
import { template } from "./template.ts";
import { CHART_NAME, helpers, notes } from "./texts.ts";
import { schemaFile, valuesFile, valuesSchema, type Value } from "./values.ts";

export { CHART_NAME } from "./texts.ts";

/** What a chart is made for. */
export interface ChartOptions {
  /** onloadctl's image as the chart's default; empty: whoever installs has to name one. */
  image: string;
  /** Of the chart, a semver such as 0.1.0. */
  version: string;
  /** Of the onloadctl in the image. */
  appVersion: string;
}

/** The kustomize trees that the chart consists of, and what has to be true for the objects of each. */
const TREES: Readonly<Record<string, string | undefined>> = {
  manager: undefined,
  // Among the templates: what is in a chart's folder crds is installed once, and not upgraded.
  crd: ".Values.crds.enabled",
  admission: 'eq (include "onload-operator.hasPolicies" .) "true"',
  rbac: undefined,
  "network-policy": ".Values.networkPolicy.enabled",
  "secure-metrics": ".Values.metrics.secure",
  prometheus: ".Values.prometheus.enabled",
  openshift: ".Values.openshift.enabled",
};

/** Files of the chart by their path in its folder, which has to be called {@link CHART_NAME}. */
export function chart({ image, version, appVersion }: ChartOptions): Record<string, string> {
  const schema = chartSchema(image);
  const templates = Object.entries(TREES).map(([tree, condition]) => [
    `templates/${tree}.yaml`,
    template(tree, condition, schema),
  ]);
  return {
    "Chart.yaml": stringify({
      apiVersion: "v2",
      name: CHART_NAME,
      description: "The operator that runs AMD's Onload, kernel-bypass networking, on Kubernetes and OpenShift",
      type: "application",
      version,
      appVersion,
      // What follows a hyphen is of a distribution, such as -gke.1600: Helm takes it for a version before the release.
      kubeVersion: `>=1.${OLDEST_MINOR}.0-0`,
      keywords: ["onload", "networking", "kernel bypass", "low latency", "solarflare", "device plugin"],
    }),
    "values.yaml": valuesFile(schema),
    "values.schema.json": schemaFile(schema),
    "templates/_helpers.tpl": helpers(),
    "templates/NOTES.txt": notes(),
    ...Object.fromEntries(templates),
  };
}

/**
 * The schema of the chart's values.
 *
 * @param image as in {@link ChartOptions}
 */
export function chartSchema(image: string): Value {
  return valuesSchema(operatorDeployment(), image);
}

function operatorDeployment(): Deployment {
  const all = parseAllDocuments(render("manager")).map((document) => document.toJS() as Deployment & { kind: string });
  return all.find(({ kind }) => kind === "Deployment")!;
}
