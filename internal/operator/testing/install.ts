/** Installing the operator into a test's control plane. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { serviceAccountUser, type ControlPlane } from "../../testcluster/index.ts";

const MANIFESTS = join(import.meta.dirname, "../../manifests");
/** The operator's namespace and ServiceAccount in the manifests. */
const SYSTEM = "onload-operator-system";
const ACCOUNT = "onload-operator-controller-manager";

/** The group of the users that operators run as, if they have only the role. */
export const OPERATORS = "operators-under-test";
export const OPERATORS_GROUP = { kind: "Group", name: OPERATORS } as const;

/** Whom the operator runs as. */
export interface OperatorUser {
  name: string;
  kubeconfigPath: string;
}

/** Installs only what the operator itself needs: the CRD, and its rights for a user with a certificate. */
export async function installRole(plane: ControlPlane): Promise<OperatorUser> {
  for (const file of ["crd/onload.amd.com_onloads.yaml", "rbac/manager-role.yaml"]) {
    await plane.apply(await readFile(join(MANIFESTS, file), "utf8"));
  }
  await plane.bind({ role: "onload-operator-manager-role", subject: OPERATORS_GROUP });
  return addOperatorUser(plane);
}

/** A user that an operator may run as, by a certificate. It has no rights of its own. */
export function addOperatorUser(plane: ControlPlane): Promise<OperatorUser> {
  return plane.addUser("onload-operator", [OPERATORS]);
}

/**
 * Installs everything that `manifests install` prints, admission policies included, but the Deployment: the operator is a
 * process of the test, and its user is the ServiceAccount.
 *
 * @param folder of the manifests; those of another release are in another
 */
export async function installAll(plane: ControlPlane, folder = MANIFESTS): Promise<OperatorUser> {
  const manifests = parseAllDocuments(await plane.kubectl(["kustomize", join(folder, "default")]));
  const needed = manifests.filter((document) => document.get("kind") !== "Deployment");
  await plane.apply(needed.map((document) => document.toString({ lineWidth: 0 })).join("---\n"));
  const kubeconfigPath = await plane.serviceAccountKubeconfig(SYSTEM, ACCOUNT);
  return { name: serviceAccountUser(SYSTEM, ACCOUNT), kubeconfigPath };
}
