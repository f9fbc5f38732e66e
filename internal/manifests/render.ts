import { posix } from "node:path";
import { parse, parseAllDocuments, type Document } from "yaml";
import { documentText } from "../cli/yaml.ts";
import { FILES } from "./files.gen.ts";

/** The values of a tree that can be set. */
export interface RenderOptions {
  /** Namespace in place of the tree's own. */
  namespace?: string | undefined;
  /** Image of onloadctl in place of {@link IMAGE_NAME}, with its tag or digest. */
  image?: string | undefined;
  /** Secret with the registry's login, in the operator's namespace. */
  imagePullSecret?: string | undefined;
  /** Metrics of the operator by TLS, for those only who may get them: its flag, and its scrape. */
  secureMetrics?: boolean;
}

/** Name of onloadctl's image in the trees, for `images` of a kustomization too. */
const IMAGE_NAME = "onloadctl";

/**
 * Renders one of the kustomize trees as YAML. This is the output of `kubectl kustomize internal/manifests/FOLDER`, but
 * with comments and in the order of the tree. The trees only list resources; other features of kustomize are not needed.
 *
 * @param folder below internal/manifests, such as "default"
 */
export function render(folder: string, options: RenderOptions = {}): string {
  return resources(folder)
    .map((document) => {
      setNamespace(document, options.namespace);
      setImage(document, options.image);
      setImagePullSecret(document, options.imagePullSecret);
      if (options.secureMetrics) secureMetrics(document);
      // A limit for the width would break long lines in the middle of CEL rules.
      return documentText(document, { lineWidth: 0, directives: false, flowCollectionPadding: false }).trimEnd();
    })
    .map((text) => `---\n${text}\n`)
    .join("");
}

function resources(folder: string): Document.Parsed[] {
  const { resources: list } = parse(file(posix.join(folder, "kustomization.yaml"))) as { resources: string[] };
  return list.flatMap((entry) => {
    const path = posix.join(folder, entry);
    return entry.endsWith(".yaml") ? (parseAllDocuments(file(path)) as Document.Parsed[]) : resources(path);
  });
}

function file(path: string): string {
  const text = FILES[path];
  if (text === undefined) throw new Error(`Cannot find ${path} among the manifests`);
  return text;
}

function setNamespace(document: Document, namespace: string | undefined): void {
  if (namespace === undefined) return;
  if (document.get("kind") === "Namespace") document.setIn(["metadata", "name"], namespace);
  if (document.hasIn(["metadata", "namespace"])) document.setIn(["metadata", "namespace"], namespace);
  const { subjects } = document.toJS() as { subjects?: { namespace?: string }[] };
  for (const index of (subjects ?? []).keys()) document.setIn(["subjects", index, "namespace"], namespace);
}

function setImage(document: Document, image: string | undefined): void {
  const containers = ["spec", "template", "spec", "containers"];
  const list = document.hasIn(containers) ? (document.toJS() as Deployment).spec.template.spec.containers : [];
  for (const [index, container] of list.entries()) {
    if (image !== undefined && container.image.split(/[:@]/)[0] === IMAGE_NAME) {
      document.setIn([...containers, index, "image"], image);
    }
  }
}

/** In the Deployment, not the ServiceAccount: only pods that are made later get what is added to that. */
function setImagePullSecret(document: Document, name: string | undefined): void {
  if (name === undefined || document.get("kind") !== "Deployment") return;
  document.setIn(["spec", "template", "spec", "imagePullSecrets"], document.createNode([{ name }]));
}

/** The operator's flag, and what Prometheus must do to match. */
function secureMetrics(document: Document): void {
  if (document.get("kind") === "Deployment") {
    document.addIn(["spec", "template", "spec", "containers", 0, "args"], "--metrics-secure");
  }
  if (document.get("kind") === "ServiceMonitor") {
    const endpoint = ["spec", "endpoints", 0];
    document.setIn([...endpoint, "scheme"], "https");
    document.setIn([...endpoint, "bearerTokenFile"], "/var/run/secrets/kubernetes.io/serviceaccount/token");
    // The certificate is self-signed unless the operator is given one.
    document.setIn([...endpoint, "tlsConfig"], document.createNode({ insecureSkipVerify: true }));
  }
}

/** The operator's Deployment, as far as it is read here. */
export interface Deployment {
  spec: {
    replicas: number;
    template: {
      metadata: { labels: Record<string, string>; annotations: Record<string, string> };
      spec: {
        nodeSelector: Record<string, string>;
        priorityClassName: string;
        containers: { image: string; resources: object }[];
      };
    };
  };
}
