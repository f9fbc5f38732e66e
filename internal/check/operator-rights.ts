/** The rights that the operator needs: those that the manifests give to its ServiceAccount. Pure. */
import { OPERATOR_SERVICE_ACCOUNT } from "../api/names.ts";
import type { DeepReadonly, Deployment, KubeObject } from "../api/core.ts";
import { parseYaml } from "../cli/yaml.ts";
import { render } from "../manifests/render.ts";
import { flagOf } from "../operator/view/serving.ts";
import type { Right } from "./rights.ts";

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** A Role, a ClusterRole or a binding of one. */
interface Manifest extends KubeObject {
  rules?: Rule[];
  roleRef?: { kind: string; name: string };
  subjects?: { kind: string; name: string }[];
}

/** An operator that is installed. */
export interface InstalledOperator {
  namespace: string;
  /** The ServiceAccount of its pods. */
  account: string;
  /** Where its Lease is. */
  leaseNamespace: string;
  /** Whether it asks whose token a client of its metrics has sent. */
  securesMetrics: boolean;
}

/** The operators that Deployments run, each ServiceAccount once. */
export function installedOperators(deployments: readonly DeepReadonly<Deployment>[]): InstalledOperator[] {
  const all = deployments.map((deployment): [string, InstalledOperator] => {
    const { serviceAccountName: account = OPERATOR_SERVICE_ACCOUNT, containers = [] } =
      deployment.spec?.template?.spec ?? {};
    const { namespace = "" } = deployment.metadata;
    const leaseNamespace = flagOf(deployment, "leader-election-namespace") || namespace;
    const securesMetrics = containers.some(({ args }) => args?.some((arg) => /^--metrics-secure(=true)?$/.test(arg)));
    return [`${namespace}/${account}`, { namespace, account, leaseNamespace, securesMetrics }];
  });
  return [...new Map(all).values()];
}

/** Every right that the manifests give to an operator. */
export function rightsToOperate({ namespace, leaseNamespace, securesMetrics }: InstalledOperator): Right[] {
  const trees = ["rbac", ...(securesMetrics ? ["secure-metrics"] : [])];
  const manifests = trees.flatMap((tree) => parseYaml(render(tree, { namespace })) as Manifest[]);
  const roleOf = (ref: Manifest["roleRef"]): Manifest | undefined =>
    manifests.find(({ kind, metadata }) => kind === ref?.kind && metadata.name === ref?.name);
  return manifests
    .filter(({ subjects }) => subjects?.some(({ name }) => name === OPERATOR_SERVICE_ACCOUNT))
    .flatMap(({ metadata, roleRef }) =>
      // The one Role is that of the Lease.
      (roleOf(roleRef)?.rules ?? []).flatMap((rule) => rightsOf(rule, metadata.namespace && leaseNamespace)),
    );
}

/** @param namespace where the rule holds; undefined: everywhere */
function rightsOf({ apiGroups, resources, resourceNames = [], verbs }: Rule, namespace: string | undefined): Right[] {
  const names = resourceNames.length > 0 ? resourceNames : [undefined];
  return apiGroups.flatMap((group) =>
    resources.flatMap((path) =>
      names.flatMap((name) =>
        verbs.map((verb): Right => {
          const [resource = "", subresource] = path.split("/");
          return {
            verb,
            group,
            resource,
            ...(subresource === undefined ? {} : { subresource }),
            ...(name === undefined ? {} : { name }),
            ...(namespace === undefined ? {} : { namespace }),
          };
        }),
      ),
    ),
  );
}
